import numpy as np
import pytest
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError


def test_training_learns_and_returns_another_model(tmp_path):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    model = tiny.model()
    trained = tfc.Training(epochs=15, batch_size=12, learning_rate=1e-2)(model, run)
    assert trained is not model
    before = tfc.evaluate(model, run.data).top1
    after = tfc.evaluate(trained, run.data).top1
    assert after > 0.8 > before + 0.2


def test_no_epochs_returns_an_equal_copy(tmp_path):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    model = tiny.model()
    copy = tfc.Training(epochs=0)(model, run)
    assert copy is not model
    for kept, copied in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, copied)


def test_stages_outside_a_recipe_keep_their_curves_apart(tmp_path):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    model = tfc.Training(epochs=1, batch_size=36)(tiny.model(), run)
    tfc.Pruning(epochs=1, batch_size=36)(model, run)
    folders = {path.name for path in (tmp_path / "tensorboard").iterdir()}
    assert folders == {"Training", "Pruning"}
    assert set(run.facts) == {"target_sparsity", "layers", "skipped"}


BODY = ("stem_*", "block_*")


def body_of(model):
    return [w for x in model.layers if x.name.startswith("b") for w in x.get_weights()]


@pytest.fixture
def checkpoint(tmp_path):
    """A file of the same architecture with a head for four classes."""
    path = tmp_path / "four_classes.keras"
    tfc.save_model(tiny.model(num_classes=4, seed=3), path)
    return str(path)


def test_fine_tuning_starts_from_the_checkpoint_and_says_which_layers_are_new(
    checkpoint, tmp_path
):
    stage = tfc.Training(
        epochs=2, batch_size=36, initial_weights=checkpoint, freeze=BODY
    )
    model = tiny.model()
    stage.check(model)
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    tuned = stage(model, run)
    for mine, theirs in zip(
        body_of(tuned), body_of(tfc.load_model(checkpoint)), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert run.facts["new_layers"] == ["logits"]
    assert run.facts["initial_weights"] == checkpoint
    assert run.facts["frozen_layers"] == [
        *("stem_conv", "stem_norm", "block_depthwise", "block_norm", "block_project")
    ]
    assert all(layer.trainable for layer in tuned.layers)
    assert tuned.output_shape == (None, 3)


def test_initial_weights_of_a_model_of_the_run_are_found_by_name(tmp_path):
    teacher = tiny.model(num_classes=4, seed=3)
    run = tfc.Run(data=tiny.data(), workdir=tmp_path, teachers={"before": teacher})
    tuned = tfc.Training(epochs=0, initial_weights="before")(tiny.model(), run)
    for mine, theirs in zip(body_of(tuned), body_of(teacher), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    head = tiny.model().get_layer("logits").get_weights()
    for mine, new in zip(tuned.get_layer("logits").get_weights(), head, strict=True):
        np.testing.assert_array_equal(mine, new)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": "stem_*"}, r"such as \('stem_\*',\)"),
        ({"thaw_after": 1, "epochs": 3}, "nothing is frozen"),
        ({"freeze": BODY, "thaw_after": 3, "epochs": 3}, "below epochs=3"),
        ({"freeze": BODY, "thaw_after": 0, "epochs": 3}, "from 1"),
        ({"freeze": BODY, "thaw_after": True, "epochs": 3}, "a whole number"),
        ({"initial_weights": ""}, "the path of a model file"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        tfc.Training(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"freeze": ("stm_*",)}, InvalidArgumentError, "no layer .* 'stm_"),
        ({"freeze": ("*",)}, InvalidArgumentError, "freezes every layer of 'tiny'"),
        ({"initial_weights": "none.keras"}, ModelError, "none.keras does not exist"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_before_training(
    options, error, message
):
    with pytest.raises(error, match=message):
        tfc.Training(epochs=2, **options).check(tiny.model())


def test_checkpoint_of_another_architecture_is_refused_before_training(tmp_path):
    path = str(tmp_path / "other.keras")
    tfc.save_model(tfc.models.resnet8((8, 8, 1), 3), path)
    with pytest.raises(ModelError, match=r"other\.keras does not fit 'tiny'"):
        tfc.Training(initial_weights=path).check(tiny.model())
