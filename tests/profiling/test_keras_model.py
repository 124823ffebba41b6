import keras as keras3
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras
import tiny
from both_generations import both_keras

import tfcompress as tfc
from tfcompress.errors import ModelError
from tfcompress.profiling.keras_model import profile_keras_model


def profile_of(keras, layer, input_shape=(8, 6, 4)):
    model = keras.Sequential([keras.Input(input_shape), layer])
    return profile_keras_model(model).layers[-1]


@both_keras
@pytest.mark.parametrize(
    ("layer", "options", "params", "macs"),
    [
        ("Conv2D", {"filters": 10, "kernel_size": 3}, 370, 6 * 4 * 360),
        (
            "Conv2D",
            {"filters": 10, "kernel_size": (3, 1), "padding": "same", "strides": 2},
            3 * 4 * 10 + 10,
            4 * 3 * 120,
        ),
        (
            "Conv2D",
            {"filters": 6, "kernel_size": 3, "groups": 2, "padding": "same"},
            9 * 2 * 6 + 6,
            8 * 6 * 108,
        ),
        (
            "DepthwiseConv2D",
            {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"},
            72 + 8,
            8 * 6 * 72,
        ),
        (
            "SeparableConv2D",
            {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"},
            9 * 4 + 4 * 5 + 5,
            4 * 3 * (36 + 20),
        ),
        (
            "Conv2DTranspose",
            {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"},
            9 * 4 * 5 + 5,
            8 * 6 * 180,
        ),
        ("Dense", {"units": 7}, 4 * 7 + 7, 8 * 6 * 28),
        ("BatchNormalization", {}, 4 * 4, 0),
        ("Dropout", {"rate": 0.5}, 0, 0),
    ],
)
def test_params_and_macs_by_arithmetic(keras, layer, options, params, macs):
    result = profile_of(keras, getattr(keras.layers, layer)(**options))
    assert (result.type, result.params, result.macs) == (layer, params, macs)


@both_keras
def test_conv1d_by_arithmetic(keras):
    layer = keras.layers.Conv1D(5, 3, use_bias=False)
    result = profile_of(keras, layer, input_shape=(10, 4))
    assert (result.params, result.macs) == (60, 8 * 60)
    assert result.output_shape == (8, 5)


def test_channels_first_counts_the_sides():
    layer = tf_keras.layers.Conv2D(
        5, 3, padding="same", data_format="channels_first", use_bias=False
    )
    assert profile_of(tf_keras, layer, (4, 8, 6)).macs == 8 * 6 * 9 * 4 * 5


@both_keras
def test_zeros_in_kernel_and_elsewhere(keras):
    layer = keras.layers.Dense(3)
    model = keras.Sequential([keras.Input((4,)), layer])
    kernel = np.ones((4, 3), np.float32)
    kernel[0] = 0
    layer.set_weights([kernel, np.zeros(3, np.float32)])
    result = profile_keras_model(model)
    assert result.layers[-1].sparsity == result.totals.sparsity == 3 / 12
    assert result.totals.nonzero_params == 9
    assert result.totals.trainable_params == 15


@both_keras
def test_shared_layer_has_its_params_once_and_its_macs_twice(keras):
    a, b = keras.Input((4,)), keras.Input((4,))
    shared = keras.layers.Dense(3, name="shared")
    model = keras.Model([a, b], keras.layers.Add()([shared(a), shared(b)]))
    (layer,) = [x for x in profile_keras_model(model).layers if x.name == "shared"]
    assert (layer.params, layer.macs) == (15, 24)


@both_keras
def test_nested_model_is_walked_as_often_as_it_is_called(keras):
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, name="dense")], name="inner"
    )
    x = keras.Input((4,))
    result = profile_keras_model(keras.Model(x, inner(inner(x))))
    (dense,) = [layer for layer in result.layers if layer.type == "Dense"]
    assert (dense.name, dense.params, dense.macs) == ("inner/dense", 20, 32)


def test_layer_with_several_kernels_counts_each():
    layer = tf_keras.layers.MultiHeadAttention(2, 3, name="attention")
    x = tf_keras.Input((5, 4))
    result = profile_keras_model(tf_keras.Model(x, layer(x, x)))
    # Query, key and value project 4 to 2x3, the output back to 4.
    assert result.totals.params == 3 * (4 * 6 + 6) + 6 * 4 + 4


@pytest.mark.parametrize("wrap", ["prune", "quantize"])
def test_tfmot_wrappers_are_looked_through(wrap):
    model = tiny.model()
    if wrap == "prune":
        wrapped = tfmot.sparsity.keras.prune_low_magnitude(
            tf_keras.models.clone_model(model)
        )
    else:
        wrapped = tfmot.quantization.keras.quantize_model(model)
    plain, result = profile_keras_model(model), profile_keras_model(wrapped)
    names = [layer.name for layer in result.layers if layer.type != "QuantizeLayer"]
    assert names == [layer.name for layer in plain.layers]
    assert result.totals.params == plain.totals.params
    assert result.totals.macs == plain.totals.macs
    assert result.totals.trainable_params == plain.totals.trainable_params


def test_open_side_is_refused_with_model_and_layer_named(tmp_path):
    image = tf_keras.Input((None, None, 3))
    conv = tf_keras.layers.Conv2D(2, 3, name="first")
    model = tf_keras.Model(image, conv(image), name="net")
    path = tmp_path / "m.keras"
    model.save(path)
    for given, source in ((model, "net"), (path, str(path))):
        with pytest.raises(ModelError, match=r"'first'.* are open,") as refused:
            tfc.profile(given)
        assert str(refused.value).startswith(f"{source}: cannot count")
        assert "fixed input_shape" in str(refused.value)


class Subclassed(tf_keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.dense = tf_keras.layers.Dense(1)

    def call(self, inputs):
        return self.dense(inputs)


@pytest.mark.parametrize(
    "model", [Subclassed(), tf_keras.Sequential([tf_keras.layers.Dense(1)]), 5]
)
def test_model_without_a_graph_is_refused(model):
    with pytest.raises(ModelError, match="built Functional or Sequential"):
        profile_keras_model(model)


def test_raw_operations_of_keras_3_are_counted_as_layers():
    x, y = keras3.Input((5, 4)), keras3.Input((4, 6))
    raw = keras3.ops.relu(x * 2 + 1)
    inner = keras3.Model([x, y], keras3.ops.matmul(raw, y), name="inner")
    a, b = keras3.Input((5, 4)), keras3.Input((4, 6))
    for model in (inner, keras3.Model([a, b], inner([a, b]), name="outer")):
        result = profile_keras_model(model)
        # Every one of 5x6 sums has 4 products.
        assert result.totals.macs == 5 * 6 * 4
        assert result.source == model.name
        # 20 numbers are multiplied, added to and compared with 0. As two layers of a
        # factor and a summand each, which is what they become: 2 + 2 + 1.
        assert result.totals.flops == 2 * 120 + 20 * 5


def test_an_operation_of_keras_3_that_cannot_be_loaded_is_one_line():
    x = keras3.Input((4, 4))
    model = keras3.Model(x, keras3.ops.slogdet(x))
    with pytest.raises(ModelError, match="Slogdet") as caught:
        profile_keras_model(model)
    assert "\n" not in str(caught.value)


def test_raw_operations_of_tf_keras_are_counted_or_told():
    x, y = tf_keras.Input((5, 4)), tf_keras.Input((4, 6))
    result = profile_keras_model(tf_keras.Model([x, y], tf.matmul(x, y)))
    assert (result.totals.macs, result.notes) == (5 * 6 * 4, ())
    x = tf_keras.Input((5, 4))
    model = tf_keras.Model(x, tf.einsum("bij,bik,bil->bjkl", x, x, x))
    (note,) = profile_keras_model(model).notes
    assert "'tf.einsum' (TFOpLambda) is counted as 0 multiply-accumulates" in note


@both_keras
def test_a_fixed_batch_is_counted_as_a_whole_and_its_energy_by_the_example(keras):
    def counted(batch_size):
        x = keras.Input((8, 6, 4), batch_size=batch_size)
        y = keras.layers.Conv2D(10, 3, activation="relu")(x)
        y = keras.layers.Reshape((24, 10))(y)
        y = keras.layers.MultiHeadAttention(2, 3)(y, y)
        y = keras.layers.Dot(-1)([y, y])
        y = keras.layers.LSTM(5)(y)
        return profile_keras_model(keras.Model(x, keras.layers.Dense(7)(y)))

    open_batch, one, four = counted(None), counted(1), counted(4)
    # The convolution; projections of 10 to 2x3, thrice, and back, with two products of
    # 24x24x2x3; 24x24 sums of 10; 24 steps of 4 gates over 24 inputs and 5 states; 5x7.
    attention = 4 * 24 * 10 * 6 + 2 * 24 * 24 * 6
    macs = 24 * 360 + attention + 24 * 24 * 10 + 24 * 4 * 5 * (24 + 5) + 35
    assert one.totals.macs == open_batch.totals.macs == macs
    assert four.totals.macs == 4 * macs
    assert four.totals.flops == 4 * one.totals.flops
    assert four.totals.written_bytes == 4 * one.totals.written_bytes
    energies = [found.totals.modelled_energy for found in (one, four)]
    assert energies[0].compute_millijoules == pytest.approx(
        energies[1].compute_millijoules
    )
    # Weights are read once for all four.
    assert energies[0].memory_millijoules > energies[1].memory_millijoules
    assert one.notes == open_batch.notes == ()
    (note,) = four.notes
    assert "of a run of 4 examples" in note and "energy is of one" in note
