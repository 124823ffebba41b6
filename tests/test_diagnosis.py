import json

import numpy as np
import pytest
import tensorflow_model_optimization as tfmot
import tf_keras as keras
import tiny

from tfcompress.diagnosis import TECHNIQUES, Diagnosis, diagnose
from tfcompress.errors import ModelError

layers = keras.layers


@pytest.fixture(scope="module")
def mixed():
    """A net with something for every answer: 8x8x3 -> 2."""
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    x = layers.RandomFlip(name="flip")(x)
    x = layers.SeparableConv2D(4, 3, name="split_me")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Activation("swish", name="swish")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.LayerNormalization(name="layer_norm")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(image, layers.Dense(2, name="logits")(x), name="mixed")


@pytest.fixture(scope="module")
def found(mixed):
    return diagnose(mixed)


def row(found, name):
    return next(row for row in found.rows if row.name == name)


def test_a_row_tells_what_the_layer_is(found):
    logits = row(found, "logits")
    assert logits.type == "Dense"
    assert logits.output_shape == (2,)
    # Two valid 3x3 convolutions leave 4x4 of 8x8.
    assert logits.params == 4 * 4 * 4 * 2 + 2
    assert row(found, "norm").output_shape == (6, 6, 4)
    assert row(found, "norm").params == 4 * 4


def test_rows_stand_in_the_order_of_the_model(found):
    names = [row.name for row in found.rows]
    order = ["image", "rescale", "norm", "depthwise", "layer_norm", "logits"]
    assert [name for name in names if name in order] == order


@pytest.mark.parametrize(
    ("name", "pruning", "qat", "int8_export"),
    [
        ("logits", "yes", "yes", "yes"),
        ("depthwise", "yes, with depthwise=True", "yes", "yes"),
        ("norm", "-", "yes", "yes"),
        ("swish", "-", "rewritten to ", "yes"),
        ("layer_norm", "-", "no: ", "no: "),
        ("dropout", "-", "-", "-"),
        ("flip", "-", "-", "-"),
    ],
)
def test_each_technique_answers_for_each_layer(found, name, pruning, qat, int8_export):
    layer = row(found, name)
    assert layer.pruning == pruning
    assert layer.qat == qat or (qat[-1] == " " and layer.qat.startswith(qat))
    exported = layer.int8_export
    assert exported == int8_export or (
        int8_export[-1] == " " and exported.startswith(int8_export)
    )


def test_channels_can_go_unless_something_needs_them_all():
    found = diagnose(tiny.model())
    answers = {row.name: row.channel_pruning for row in found.rows}
    assert answers["stem_conv"] == answers["block_project"] == "yes"
    assert answers["block_depthwise"] == "yes, with stem_conv"
    assert answers["logits"] == "no: logits is an output of the model"
    assert answers["stem_norm"] == answers["pool"] == "-"
    # 8 + 8 + 8 of them, and 3 logits.
    assert "takes 3 of 4 kernels, with 24 of 27 channels." in found.verdict


def test_walls_and_parts_of_a_concatenation_are_told():
    image = layers.Input((4, 4, 3))
    first = layers.Conv2D(4, 1, name="first")(image)
    whole = layers.Conv2D(4, 1, name="whole")(image)
    norm = layers.LayerNormalization(name="norm")(first)
    x = layers.Concatenate()([norm, whole, image])
    x = layers.DepthwiseConv2D(1, name="mixed")(x)
    x = layers.Conv2D(1, 1, name="single")(x)
    model = keras.Model(image, layers.Dense(2, name="end")(layers.Flatten()(x)))
    answers = {row.name: row.channel_pruning for row in diagnose(model).rows}
    wall = "norm is a LayerNormalization, which reads all channels"
    assert answers["first"] == f"no: {wall}"
    assert answers["whole"] == "yes"
    assert answers["mixed"] == f"yes, 4 of 11 channels: {wall}"
    few = "no: too few channels, or parts that have to stay equal"
    assert answers["single"] == few


def test_what_loading_rewrote_is_told(found):
    assert "split_me" in {name for name, _ in found.changes}
    assert "SeparableConv2D" not in {row.type for row in found.rows}


def test_the_verdict_counts(found):
    kernels = [row for row in found.rows if row.pruning != "-"]
    pruned = [row for row in kernels if row.pruning == "yes"]
    assert f"{len(found.rows)} layers" in found.verdict
    assert f"Pruning takes {len(pruned)} of {len(kernels)} kernels" in found.verdict
    assert "In int8, 1 layer cannot compute: layer_norm." in found.verdict


def test_a_model_that_fits_is_told_so():
    found = diagnose(tiny.model())
    assert "All of it can compute in int8." in found.verdict
    assert {row.qat for row in found.rows} == {"yes"}


def test_several_outputs_are_told():
    image = layers.Input((4,))
    model = keras.Model(image, [layers.Dense(2)(image), layers.Dense(3)(image)])
    assert "It has 2 outputs: " in diagnose(model).verdict


def test_a_softmax_at_the_end_is_told_and_the_advice_holds():
    image = layers.Input((4,))
    model = keras.Model(image, layers.Dense(2, activation="softmax")(image))
    assert "It ends in a softmax" in diagnose(model).verdict
    assert "model.layers[-1].activation = tf_keras" in diagnose(model).verdict
    model.layers[-1].activation = keras.activations.linear
    assert "softmax" not in diagnose(model).verdict
    model = keras.Model(image, layers.Softmax()(layers.Dense(2)(image)))
    assert (
        "keras.Model(model.input, model.layers[-2].output)" in diagnose(model).verdict
    )
    model = keras.Model(model.input, model.layers[-2].output)
    assert "softmax" not in diagnose(model).verdict


def test_an_open_size_is_told_and_the_advice_holds():
    image = layers.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(image))
    model = keras.Model(image, x)
    assert "The size of its input is open" in diagnose(model).verdict
    model = keras.Sequential([keras.Input((8, 8, 3)), model])
    assert "open" not in diagnose(model).verdict


def test_what_no_file_can_hold_has_a_no_in_both_columns():
    image = layers.Input((8, 8, 3))
    x = layers.UpSampling2D(2, interpolation="bicubic", name="up")(image)
    x = layers.Conv2D(2, 3)(layers.Dropout(0.5, name="drop")(x, training=True))
    found = diagnose(keras.Model(image, x))
    for name, reason in (("up", "in float neither"), ("drop", "training=True")):
        answers = row(found, name).qat, row(found, name).int8_export
        assert all(a.startswith("no: ") and reason in a for a in answers)


def test_what_was_not_compared_is_told(tmp_path):
    model = tiny.model()
    assert diagnose(model).unchecked is None
    quantized = tfmot.quantization.keras.quantize_model(model)
    quantized.save(tmp_path / "qat.keras")
    found = diagnose(tmp_path / "qat.keras")
    assert found.unchecked == "it is quantized already"
    assert found.to_dict()["unchecked"] == found.unchecked
    assert "were not compared with the original's: it is quantized" in str(found)


def test_a_layer_that_is_called_twice_has_one_row():
    image = layers.Input((8, 8, 3))
    conv = layers.Conv2D(3, 3, name="conv")
    found = diagnose(keras.Model(image, conv(conv(image))))
    (conv_row,) = [row for row in found.rows if row.name == "conv"]
    assert conv_row.output_shape == (6, 6, 3)
    assert conv_row.params == 3 * 3 * 3 * 3 + 3


def test_a_quantized_model_is_told():
    image = layers.Input((4,))
    model = keras.Model(image, layers.Dense(2)(image))
    model = tfmot.quantization.keras.quantize_model(model)
    found = diagnose(model)
    assert {row.qat for row in found.rows} == {"no: it is quantized already"}
    assert {row.int8_export for row in found.rows} == {"yes"}
    assert {row.pruning for row in found.rows} == {"-", "no: it is quantized already"}


def test_json_holds_everything_and_comes_back(found):
    values = json.loads(found.to_json())
    keys = {"source", "verdict", "changes", "unchecked", "layers"}
    assert set(values) == keys
    assert {*TECHNIQUES, "name", "type", "output_shape", "params"} == set(
        values["layers"][0]
    )
    assert Diagnosis.from_dict(values) == found


def test_the_model_stays_as_it_is(mixed, found):
    before = [weight.copy() for weight in mixed.get_weights()]
    diagnose(mixed)
    assert mixed.get_layer("split_me").get_config()["filters"] == 4
    for old, new in zip(before, mixed.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_file_is_named(tmp_path):
    tiny.model().save(tmp_path / "a.keras")
    assert diagnose(tmp_path / "a.keras").source == str(tmp_path / "a.keras")
    with pytest.raises(ModelError, match=r"b\.keras does not exist"):
        diagnose(tmp_path / "b.keras")


def test_printing_shows_verdict_and_table(found, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    text = str(found)
    assert text.startswith("mixed\n")
    assert all(row.name in text for row in found.rows)


def test_classes_of_the_user_are_taken_as_when_loading(tmp_path):
    class Doubling(keras.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    image = keras.Input((4, 4, 3))
    keras.Model(image, Doubling(name="twice")(image)).save(tmp_path / "own.keras")
    found = diagnose(tmp_path / "own.keras", {"Doubling": Doubling})
    assert found.rows[1].type == "Doubling"
    assert found.unchecked is None
    with pytest.raises(ModelError, match="uses Doubling"):
        diagnose(tmp_path / "own.keras")


def test_a_layer_of_several_outputs_shows_the_first():
    class Two(layers.Layer):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.dense = layers.Dense(4)

        def call(self, inputs):
            return self.dense(inputs), inputs

    image = layers.Input((8,))
    model = keras.Model(image, layers.Concatenate()(Two(name="two")(image)))
    assert row(diagnose(model), "two").output_shape == (4,)
