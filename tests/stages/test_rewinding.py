import json

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError, RecipeError
from tfcompress.stages import pruning

PRUNED = ("stem_conv", "block_project", "logits")


def run_in(folder, earlier=None, **options):
    teachers = {"early": earlier or tiny.model(seed=4)}
    run = tfc.Run(data=tiny.data(), workdir=folder, teachers=teachers, **options)
    return run.for_stage("02_pruning")


def kernels(model):
    return {name: model.get_layer(name).get_weights()[0] for name in PRUNED}


def assert_same(one, two):
    for weight, other in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_weights_that_are_kept_are_the_earlier_ones_and_zeros_are_the_smallest(
    tmp_path,
):
    model, earlier = tiny.model(seed=0), tiny.model(seed=4)
    earlier.get_layer("stem_norm").beta.assign(np.arange(8.0))
    given = [w.copy() for w in (*model.get_weights(), *earlier.get_weights())]
    run = run_in(tmp_path, earlier)
    ticket = tfc.Pruning(epochs=0, final_sparsity=0.5, rewind="early")(model, run)
    then, now = kernels(earlier), kernels(model)
    for name, kernel in kernels(ticket).items():
        size = np.abs(now[name])
        kept = size > np.sort(size, axis=None)[size.size // 2 - 1]
        np.testing.assert_array_equal(kernel, then[name] * kept)
    for mine, theirs in zip(ticket.layers, earlier.layers, strict=True):
        if mine.name not in PRUNED:
            for one, two in zip(mine.get_weights(), theirs.get_weights(), strict=True):
                np.testing.assert_array_equal(one, two)
    assert run.facts["rewind"] == "early"
    after = (*model.get_weights(), *earlier.get_weights())
    for one, two in zip(given, after, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_ticket_is_trained_from_the_earlier_weights_under_the_same_mask(tmp_path):
    model = tiny.model(seed=0)
    options = {"final_sparsity": 0.75, "rewind": "early", "batch_size": 12}
    drawn = tfc.Pruning(epochs=0, **options)(model, run_in(tmp_path / "a"))
    trained = tfc.Pruning(
        epochs=2, learning_rate=1e-3, restore_best_weights=True, **options
    )(model, run_in(tmp_path / "b"))
    now, then = kernels(model), kernels(drawn)
    for name, kernel in kernels(trained).items():
        np.testing.assert_array_equal(kernel == 0, then[name] == 0)
        # Twelve steps of Adam move no weight by more than about 0.012.
        moved = np.abs(kernel - then[name]).max()
        assert 1e-4 < moved < 0.02 < np.abs(kernel - now[name]).max()


def test_second_round_keeps_the_zeros_of_the_first(tmp_path):
    run = run_in(tmp_path)
    once, twice = (
        tfc.Pruning(epochs=0, final_sparsity=s, rewind="early") for s in (0.5, 0.75)
    )
    first = once(tiny.model(seed=0), run)
    second = twice(first, run)
    for name, kernel in kernels(second).items():
        assert np.all(kernel[kernels(first)[name] == 0] == 0)
        assert np.mean(kernel == 0) == pytest.approx(0.75)


class StopAtEpoch(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_interrupted_ends_as_uninterrupted(tmp_path, monkeypatch):
    model = tiny.model(seed=0)
    stage = tfc.Pruning(epochs=2, batch_size=12, rewind="early")
    whole = stage(model, run_in(tmp_path / "a"))
    loop = pruning.train
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            pruning,
            "train",
            lambda model, run, fit, callbacks: loop(
                model, run, fit, [*callbacks, StopAtEpoch()]
            ),
        )
        stage(model, run_in(tmp_path / "b"))
    run = run_in(tmp_path / "b")
    assert_same(stage(model, run), whole)
    assert "seconds_before" in run.facts


def columns(model, name):
    kernel = model.get_layer(name).get_weights()[0]
    return kernel.reshape(-1, kernel.size // kernel.shape[0] // kernel.shape[1])


@pytest.mark.parametrize("num_iterations", [1, 2])
def test_channels_that_are_kept_have_their_earlier_weights(tmp_path, num_iterations):
    model, earlier = tiny.model(seed=0), tiny.model(seed=4)
    stage = {
        "target": {"channels": 0.5},
        "epochs": 0,
        "round_to": 1,
        "min_channels": 1,
        "num_iterations": num_iterations,
    }
    run = run_in(tmp_path, earlier)
    ticket = tfc.ChannelPruning(rewind="early", **stage)(model, run)
    chosen = tfc.ChannelPruning(**stage)(model, run_in(tmp_path))
    # Of 3 x 8 channels and the 3 of the output, 13.5 may stay: 3 x 3 and these 3.
    assert ticket.get_layer("stem_conv").filters == 3

    def kept(smaller, whole):
        found = columns(smaller, "stem_conv").T
        wanted = columns(whole, "stem_conv").T
        return [int(np.flatnonzero((wanted == x).all(1))[0]) for x in found]

    places = kept(ticket, earlier)
    if num_iterations == 1:
        assert places == kept(chosen, model)
    for layer in ticket.layers:
        now = {w.name: w.numpy() for w in layer.trainable_weights}
        then = {
            w.name: w.numpy() for w in earlier.get_layer(layer.name).trainable_weights
        }
        for name, value in now.items():
            expected = then[name]
            for axis, (new, old) in enumerate(
                zip(value.shape, expected.shape, strict=True)
            ):
                if new != old:
                    expected = np.take(expected, places, axis)
            np.testing.assert_array_equal(value, expected)
    assert run.facts["rewind"] == "early"


def test_zeros_that_rewinding_would_fill_are_refused(tmp_path):
    run = run_in(tmp_path)
    sparse = tfc.Pruning(epochs=0)(tiny.model(), run)
    stage = tfc.Pruning(epochs=0, rewind="early", exclude=("logits",))
    with pytest.raises(InvalidArgumentError, match=r"'logits' has .* zeros"):
        stage(sparse, run)


def test_checkpoint_that_does_not_fit_is_refused(tmp_path):
    run = run_in(tmp_path, tiny.model(num_classes=4))
    for stage in (tfc.Pruning, tfc.ChannelPruning):
        with pytest.raises(ModelError, match=r"cannot be rewound .* 'logits'"):
            stage(epochs=0, rewind="early")(tiny.model(), run)
        with pytest.raises(ModelError, match=r"none\.keras does not exist"):
            stage(epochs=0, rewind="none.keras").check(tiny.model())


def test_recipe_knows_the_checkpoint(tmp_path):
    path = str(tmp_path / "early.keras")
    tfc.save_model(tiny.model(seed=4), path)

    def recipe(name):
        stages = (tfc.Pruning(rewind=name),)
        return tfc.Recipe(
            data=tfc.Data("fashion_mnist_small"), model="own.keras", stages=stages
        )

    with pytest.raises(RecipeError, match="names 'early'"):
        recipe("early")
    known = recipe(path)
    assert known.model_files == ["own.keras", path]
    again = tfc.Recipe.from_dict(json.loads(json.dumps(known.to_dict())))
    assert again == known
    digest = known.digest
    tfc.save_model(tiny.model(seed=5), path)
    assert known.digest != digest
