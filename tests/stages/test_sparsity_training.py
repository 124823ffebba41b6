import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError

layers = keras.layers


def norms(model):
    return [x for x in model.layers if isinstance(x, layers.BatchNormalization)]


def sum_of_gammas(model):
    return sum(float(np.abs(x.gamma).sum()) for x in norms(model))


def column_norms(model, name):
    (kernel, *_) = model.get_layer(name).get_weights()
    return np.sqrt((kernel.reshape(-1, 8) ** 2).sum(0))


def train(folder, stage, model=None, name="00_stage"):
    run = tfc.Run(data=tiny.data(), workdir=folder, seed=3).for_stage(name)
    return stage(model or tiny.model(), run), run


def assert_same(one, two):
    for weight, other in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_one_step_of_sgd_takes_the_subgradient_off_every_gamma(tmp_path):
    model = tiny.model()
    model.get_layer("stem_norm").gamma.assign([1, -1, 0.5, -0.5, 1, 1, 1, 0])
    # 72 images less the validation's 8: one batch, so one step.
    options = {"batch_size": 72, "optimizer": "sgd", "learning_rate": 0.1}
    plain, _ = train(tmp_path / "a", tfc.Training(**options), model)
    stage = tfc.SparsityTraining(strength=0.05, **options)
    shrunk, run = train(tmp_path / "b", stage, model)
    assert run.data.steps_per_epoch(72) == 1
    sign = np.sign([1, -1, 0.5, -0.5, 1, 1, 1, 0])
    # Nesterov momentum of 0.9 makes the first step 1.9 times the gradient.
    np.testing.assert_allclose(
        plain.get_layer("stem_norm").gamma - shrunk.get_layer("stem_norm").gamma,
        1.9 * 0.1 * 0.05 * sign,
        atol=1e-6,
    )
    for layer in ("stem_conv", "block_project", "logits"):
        for weight, other in zip(
            plain.get_layer(layer).get_weights(),
            shrunk.get_layer(layer).get_weights(),
            strict=True,
        ):
            np.testing.assert_allclose(weight, other, atol=1e-6)
    assert run.facts["penalty_before"] == pytest.approx(6 + 8)
    assert run.facts["penalty_after"] == pytest.approx(sum_of_gammas(shrunk), rel=1e-6)


def test_one_step_of_sgd_takes_the_subgradient_off_every_column(tmp_path):
    model = tiny.model()
    (kernel,) = model.get_layer("stem_conv").get_weights()
    kernel[..., 0] = 0
    model.get_layer("stem_conv").set_weights([kernel])
    options = {"batch_size": 72, "optimizer": "sgd", "learning_rate": 0.1}
    plain, _ = train(tmp_path / "a", tfc.Training(**options), model)
    stage = tfc.SparsityTraining(penalty="group", strength=0.05, **options)
    shrunk, run = train(tmp_path / "b", stage, model)
    for name in ("stem_conv", "block_depthwise", "block_project"):
        kernel = model.get_layer(name).get_weights()[0].reshape(-1, 8)
        length = column_norms(model, name)
        # A column of zeros has no direction: it is left where it is.
        direction = kernel / np.where(length == 0, 1, length)
        moved = [m.get_layer(name).get_weights()[0] for m in (plain, shrunk)]
        np.testing.assert_allclose(
            (moved[0] - moved[1]).reshape(-1, 8),
            1.9 * 0.1 * 0.05 * direction,
            atol=2e-6,
        )
    # The outputs of the model are never removed, so nothing shrinks them.
    np.testing.assert_allclose(
        *(m.get_layer("logits").get_weights()[0] for m in (plain, shrunk)), atol=1e-6
    )
    names = ("stem_conv", "block_depthwise", "block_project")
    assert run.facts["penalty_before"] == pytest.approx(
        sum(column_norms(model, name).sum() for name in names), rel=1e-5
    )


@pytest.mark.parametrize("distilled", [False, True])
def test_no_strength_is_plain_training_and_some_shrinks(tmp_path, distilled):
    options = {"epochs": 4, "batch_size": 12, "optimizer": "sgd", "learning_rate": 0.02}
    if distilled:
        teacher = tiny.model(seed=8)
        options["objective"] = tfc.Distillation(teacher, alpha=0.5)
    plain, _ = train(tmp_path / "a", tfc.Training(**options))
    none, _ = train(tmp_path / "b", tfc.SparsityTraining(strength=0, **options))
    assert_same(plain, none)
    strong = tfc.SparsityTraining(strength=0.02, **options)
    shrunk, _ = train(tmp_path / "c", strong)
    # 24 steps at rates of 0.02 and a momentum of 0.9 pull by about 0.06 each.
    assert sum_of_gammas(shrunk) < sum_of_gammas(plain) - 0.5


@pytest.mark.parametrize("distilled", [False, True])
def test_validation_loss_is_the_cross_entropy_and_no_penalty_is_left(
    tmp_path, distilled
):
    teacher = tiny.model(seed=8)
    stage = tfc.SparsityTraining(
        batch_size=12,
        strength=100.0,
        learning_rate=1e-6,
        objective=tfc.Distillation(teacher) if distilled else None,
    )
    seen = {}

    class Progress(tfc.Progress):
        def epoch(self, epoch, epochs, metrics):
            seen.update(metrics)

    run = tfc.Run(data=tiny.data(), workdir=tmp_path, progress=Progress(mode="silent"))
    given = tiny.model()
    model = stage(given, run)
    for each in (given, model):
        assert each.losses == []
        assert not any(layer._callable_losses for layer in each.layers)
    assert model.get_config() == given.get_config()
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    expected = model.evaluate(run.data.batches("validation"), verbose=0)
    assert seen["val_loss"] == pytest.approx(expected, rel=1e-4)
    # 16 gammas of nearly 1.
    assert seen["loss"] == pytest.approx(1600, rel=0.01)


class StopAtEpoch(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_interrupted_ends_as_uninterrupted(tmp_path, monkeypatch):
    stage = tfc.SparsityTraining(
        epochs=3,
        batch_size=12,
        strength=0.01,
        objective=tfc.Distillation(tiny.model(seed=8)),
    )
    whole, _ = train(tmp_path / "a", stage)
    from tfcompress.stages import sparsity_training

    loop = sparsity_training.train
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            sparsity_training,
            "train",
            lambda model, run, fit, callbacks: loop(
                model, run, fit, [*callbacks, StopAtEpoch()]
            ),
        )
        train(tmp_path / "b", stage)
    resumed, run = train(tmp_path / "b", stage)
    assert "seconds_before" in run.facts
    assert_same(whole, resumed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": "l0"}, "'gamma' or 'group'"),
        ({"strength": -1e-4}, "0 or more"),
        ({"strength": float("nan")}, "a number"),
        ({"strength": True}, "a number"),
        ({"strength": "high"}, "a number"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        tfc.SparsityTraining(**options)


def test_model_without_what_the_penalty_applies_to_is_refused(tmp_path):
    image = keras.Input((8, 8, 1))
    flat = layers.Flatten()(image)
    model = keras.Model(image, layers.Dense(3)(flat), name="linear")
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    for penalty, missing in (
        ("gamma", "no BatchNormalization with a scale"),
        ("group", "no channels that can be removed"),
    ):
        with pytest.raises(ModelError, match=f"'linear' has {missing}"):
            tfc.SparsityTraining(penalty=penalty)(model, run)
