import dataclasses

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.export.mixed_precision import _first

layers = keras.layers
HOW = tfc.Calibration(method="min_max", num_images=24)


@pytest.fixture(scope="module")
def data():
    return tiny.data()


@pytest.fixture(scope="module")
def model():
    """Tells the class by the mean of its rows, with a kernel that int8 destroys."""
    image = layers.Input((8, 8, 1), name="image")
    x = layers.Conv2D(4, 1, use_bias=False, name="easy")(image)
    x = layers.AveragePooling2D((2, 8), name="rows")(x)
    x = layers.Flatten(name="flat")(x)
    model = keras.Model(image, layers.Dense(3, name="hard")(x), name="net")
    model.get_layer("easy").kernel.assign([[[[1.0, 1.0, 1.0, 0.0]]]])
    kernel = np.zeros((4, 4, 3), np.float32)
    kernel[[0, 1, 2], 0, [0, 1, 2]] = [1.0, 0.8, 0.8]
    # The last channel is 0 always, but its weights make the steps of the others 1.8:
    # 1.0 becomes 1.8, and 0.8 becomes 0.
    kernel[:, 3] = 127 * 1.8
    model.get_layer("hard").kernel.assign(kernel.reshape(16, 3))
    return model


def test_as_few_layers_as_the_accuracy_takes(model, data, tmp_path):
    budget = tfc.MostSensitive(max_top1_drop=0.0)
    path = tmp_path / "m.tflite"
    plain = tfc.export_tflite(model, path, data, calibration=HOW)
    assert tfc.evaluate(path, data).top1 == pytest.approx(1 / 3)
    mixed = tfc.export_tflite(model, path, data, calibration=HOW, keep_float=budget)
    assert tfc.evaluate(path, data).top1 == 1.0
    kinds = {p.layer: (p.activations, p.weights) for p in mixed.audit.precisions}
    assert kinds["hard"] == ("float32", "float32")
    assert kinds["easy"] == ("int8", "int8")
    assert {p.activations for p in plain.audit.precisions} == {"int8"}


def test_the_layers_that_a_stage_chose_are_noted(model, data, tmp_path):
    run = tfc.Run(data=data, workdir=tmp_path)
    stage = tfc.QuantizationAware(epochs=0, calibration=HOW)
    assert tfc.evaluate(stage(model, run), data).top1 == pytest.approx(1 / 3)
    assert "float_layers" not in run.facts
    budget = tfc.MostSensitive(max_top1_drop=0.0)
    mixed = dataclasses.replace(stage, keep_float=budget)(model, run)
    assert tfc.evaluate(mixed, data).top1 == 1.0
    assert run.facts["float_layers"] == ["hard"]


def test_none_if_int8_loses_nothing_more(model, data):
    assert tfc.MostSensitive(max_top1_drop=1.0).choose(model, data, HOW) == ()


def test_as_many_layers_as_the_bytes_allow(model, data, tmp_path):
    path = tmp_path / "m.tflite"
    least = tfc.export_tflite(model, path, data, calibration=HOW).size_bytes

    def chosen(max_bytes):
        return tfc.MostSensitive(max_bytes=max_bytes).choose(model, data, HOW)

    # 48 weights of 4 bytes for 1, two operators and their codes.
    assert chosen(least + 100) == ()
    assert chosen(least + 10_000) == ("hard", "easy")
    with pytest.raises(ModelError, match=f"'net' has {least} bytes in int8, more"):
        chosen(least - 1)


def test_what_has_no_int8_operator_is_among_them(data):
    image = layers.Input((8, 8, 1), name="image")
    x = layers.ELU(name="odd")(layers.Conv2D(4, 3, name="conv")(image))
    x = layers.Dense(3, name="logits")(layers.Flatten(name="flat")(x))
    net = keras.Model(image, x, name="net")
    budget = tfc.MostSensitive(max_top1_drop=1.0)
    assert budget.choose(net, data, HOW) == ("odd",)
    tfc.QuantizationAware(keep_float=budget).check(net)


def test_a_budget_that_no_layer_can_meet_is_refused(model, data):
    net = keras.models.clone_model(model)
    net.set_weights(model.get_weights())
    # The output has 256 steps from 0 on, whatever computes it.
    net.get_layer("hard").bias.assign([1e4, 1e4, 1e4])
    with pytest.raises(ModelError, match=r"max_top1_drop=0.5 .*activations are"):
        tfc.MostSensitive(max_top1_drop=0.5).choose(net, data, HOW)


@pytest.mark.parametrize("first", range(6))
def test_bisection_finds_the_first(first):
    asked = []

    def holds(number):
        asked.append(number)
        return number >= first

    assert _first(holds, 4) == (first if first <= 4 else None)
    assert len(asked) == len(set(asked)) <= 4


def test_wrong_values_are_refused(tmp_path):
    for options in ({}, {"max_top1_drop": 0.1, "max_bytes": 10}):
        with pytest.raises(InvalidArgumentError, match="takes one budget"):
            tfc.MostSensitive(**options)
    with pytest.raises(InvalidArgumentError, match="max_top1_drop=2"):
        tfc.MostSensitive(max_top1_drop=2)
    with pytest.raises(InvalidArgumentError, match="max_bytes=0 must be 1 or more"):
        tfc.MostSensitive(max_bytes=0)
    budget = tfc.MostSensitive(max_bytes=10)
    with pytest.raises(InvalidArgumentError, match="max_bytes=10 counts a slimmed"):
        tfc.Export(keep_float=budget, slim=False)
    with pytest.raises(InvalidArgumentError, match="comes too late"):
        tfc.Export(keep_float=budget).check_fits_quantized()


def test_a_recipe_with_a_budget_is_made_again_from_its_json():
    recipe = tfc.Recipe(
        data=tfc.Data("fashion_mnist_small"),
        model="a.keras",
        stages=(),
        export=tfc.Export(keep_float=tfc.MostSensitive(max_top1_drop=0.003)),
    )
    assert tfc.Recipe.from_dict(recipe.to_dict()) == recipe
    looser = recipe.override("export.keep_float.max_top1_drop", "0.01")
    assert looser.export.keep_float == tfc.MostSensitive(max_top1_drop=0.01)
