"""What every layer of ours that stands between two others has to do."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tfcompress as tfc
from tfcompress.layers.depth_to_space import DepthToSpace, SpaceToDepth
from tfcompress.layers.divide import Divide
from tfcompress.layers.hard_swish import HardSigmoid, HardSwish, HardSwishGate
from tfcompress.layers.precision_change import PrecisionChange
from tfcompress.layers.slice import Slice
from tfcompress.layers.tanh_gelu import TanhGelu
from tfcompress.layers.window_average import BorderScale, WindowAverage

CASES = {
    BorderScale: ({"rows": (1, 1, 1, 1.5), "columns": (1, 1, 1, 1, 1, 2)}, None),
    DepthToSpace: ({"block_size": 2}, "DEPTH_TO_SPACE"),
    Divide: ({}, "DIV"),
    HardSigmoid: ({}, None),
    HardSwish: ({}, "HARD_SWISH"),
    HardSwishGate: ({"clips": False}, None),
    PrecisionChange: ({"to": "float"}, None),
    Slice: ({"slices": [(None, None, 2), (-3, -1, None), (7, 0, -3)]}, "STRIDED_SLICE"),
    SpaceToDepth: ({"block_size": 2}, "SPACE_TO_DEPTH"),
    TanhGelu: ({}, "GELU"),
    WindowAverage: (
        {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"},
        "DEPTHWISE_CONV_2D",
    ),
}


def model_with(kind):
    keras.utils.set_random_seed(0)
    options, _ = CASES[kind]
    image = keras.Input((4, 6, 3))
    x = keras.layers.Conv2D(8, 1, name="before")(image)
    given = [x, keras.layers.Activation("exponential")(x)] if kind is Divide else x
    x = kind(**options, name="ours")(given)
    return keras.Model(image, keras.layers.Conv2D(2, 1, name="after")(x))


@pytest.mark.parametrize("kind", CASES)
def test_made_again_from_its_config_it_computes_the_same(kind, tmp_path):
    model = model_with(kind)
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype(np.float32)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(x), model(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.get_layer("ours"), kind)
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("kind", CASES)
def test_shape_is_known_without_a_call(kind):
    layer = model_with(kind).get_layer("ours")
    fresh = kind.from_config(layer.get_config())
    shape = fresh.compute_output_shape(layer.input_shape)
    assert tuple(shape) == layer.output_shape
    assert not fresh.built


@pytest.mark.parametrize("kind", CASES)
def test_gradient_goes_through(kind):
    model = model_with(kind)
    x = tf.random.stateless_normal((2, 4, 6, 3), seed=(0, 1))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x) ** 2)
    gradient = tape.gradient(loss, model.get_layer("before").kernel)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


@pytest.mark.parametrize("kind", [k for k, (_, op) in CASES.items() if op])
def test_the_runtime_has_an_operator_for_it(kind, tmp_path):
    model = model_with(kind)
    artifact = tfc.export_tflite(model, tmp_path / "m.tflite", quantization="float32")
    ops = dict(artifact.audit.ops)
    if kind is Divide:
        assert ops.pop("EXP") == ops.pop("MUL") == 1
    assert ops == {"CONV_2D": 2, CASES[kind][1]: 1}
