import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from keras import ops
from keras.src.applications.inception_resnet_v2 import (
    CustomScaleLayer as Keras3ScaleLayer,
)
from raw_operations import (
    SHAPE,
    assert_keras_3,
    assert_refused,
    assert_tf_keras,
    graph_with_input,
    names_and_types,
)
from tf_keras.src.applications.inception_resnet_v2 import (
    CustomScaleLayer as TfKerasScaleLayer,
)

from tfcompress.loading.operations.translate import Operation, translate

CUSTOM_SCALE_LAYERS = (Keras3ScaleLayer, TfKerasScaleLayer)
channels = np.arange(1.0, 9.0, dtype=np.float32)
places = np.linspace(0.1, 2, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
KERAS_3 = {
    "add": lambda x, y: x + y,
    "add_number": lambda x, y: 3.0 + x,
    "add_channels": lambda x, y: ops.add(x, channels),
    "add_map": lambda x, y: ops.add(x, places) - places[:1],
    "multiply_rows": lambda x, y: x * places[:, :1, :1],
    "maximum_of_map": lambda x, y: ops.maximum(ops.minimum(x, places), -places),
    "subtract": lambda x, y: x - y,
    "subtract_from_number": lambda x, y: 1.0 - x,
    "subtract_number": lambda x, y: x - 1.5,
    "multiply": lambda x, y: x * ops.mean(y, axis=(1, 2), keepdims=True),
    "multiply_channels": lambda x, y: x * channels.reshape(1, 1, 8),
    "matmul": lambda x, y: ops.matmul(x, ops.swapaxes(y, 2, 3)),
    "divide": lambda x, y: x / (ops.absolute(y) + 1.0),
    "divide_by_number": lambda x, y: x / 6,
    "negative": lambda x, y: -x,
    "power": lambda x, y: x**2 + ops.square(y) + y**3,
    "maximum": lambda x, y: [ops.maximum(x, y), ops.maximum(0.5, x)],
    "minimum": lambda x, y: [ops.minimum(x, y), ops.minimum(x, 6.0)],
    "clip": lambda x, y: [ops.clip(x, 0, 6), ops.clip(x, -1, 1)],
    "hard_swish": lambda x, y: x * ops.relu6(x + 3.0) / 6.0,
}
TENSORFLOW = {
    "add": lambda x, y: [x + y, tf.add(x, y), tf.add_n([x, y, x])],
    "add_channels": lambda x, y: [tf.add(x, channels), tf.nn.bias_add(x, channels)],
    "add_map": lambda x, y: [x + places, places - x],
    "subtract": lambda x, y: [x - y, 1.0 - x, x - 1.0],
    "multiply": lambda x, y: [x * y, 2.0 * x, x * tf.constant(channels)],
    "matmul": lambda x, y: tf.matmul(tf.matmul(x, y, transpose_b=True), y),
    "divide": lambda x, y: [x / (abs(y) + 1.0), x / 3.0, tf.divide(x, 2.0)],
    "power": lambda x, y: [x**2, tf.square(x), -x],
    "maximum": lambda x, y: [tf.maximum(0.0, x), tf.maximum(x, y), tf.minimum(x, 6.0)],
    "clip": lambda x, y: [tf.clip_by_value(x, 0, 6), keras.backend.clip(x, -1, 1)],
}


@pytest.mark.parametrize("name", KERAS_3)
def test_operations_of_keras_3(name):
    assert_keras_3(KERAS_3[name])


@pytest.mark.parametrize("name", TENSORFLOW)
def test_operations_of_tensorflow(name):
    assert_tf_keras(TENSORFLOW[name])


@pytest.mark.parametrize(
    ("symbol", "arguments", "why"),
    [
        ("tf.math.add", {"y": [1.0, 2.0, 3.0]}, "takes the shape of the tensor"),
        ("tf.math.add", {"y": np.ones((2, 4, 6, 8))}, "takes the shape of the tensor"),
        ("tf.math.add", {"y": float("nan")}, "not finite"),
        ("tf.math.add", {"y": "1"}, "something else than numbers"),
        ("tf.math.add", {"y": {"evil": 1}}, "something else than numbers"),
        ("tf.math.truediv", {"y": 0.0}, "zero as the divisor"),
        ("tf.linalg.matmul", {"b": np.ones((8, 8))}, "with a constant"),
        ("tf.math.pow", {"y": 0.5}, "exponent"),
        ("tf.clip_by_value", {"clip_value_min": 6, "clip_value_max": 0}, "bounds"),
    ],
)
def test_what_cannot_be_done_is_refused(symbol, arguments, why):
    assert_refused(symbol, arguments, why)


@pytest.mark.parametrize("custom_scale_layer", CUSTOM_SCALE_LAYERS)
def test_custom_scale_layer_of_inception_resnet_v2(custom_scale_layer):
    layer = custom_scale_layer(0.17)
    graph, x = graph_with_input()
    operation = Operation(
        layer.name, "CustomScaleLayer", [[x, x]], {}, layer.get_config()
    )
    graph.outputs = translate(graph, operation)
    images = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    expected = layer([images, images])
    np.testing.assert_allclose(graph.to_model()(images), expected, rtol=1e-6)
    assert names_and_types(graph)[-1] == (layer.name, "Add")
