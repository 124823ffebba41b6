import pytest
import tensorflow as tf
import tf_keras as keras
from keras import ops
from raw_operations import assert_keras_3, assert_refused, assert_tf_keras

KERAS_3 = {
    "activations": lambda x, y: [
        *(ops.elu(x), ops.hard_sigmoid(x), ops.hard_silu(x), ops.leaky_relu(x)),
        *(ops.relu(x), ops.relu6(x), ops.selu(x), ops.sigmoid(x), ops.silu(x)),
        *(ops.softmax(x), ops.softplus(x), ops.softsign(x), ops.tanh(x)),
        *(ops.gelu(x), ops.exp(x)),
    ],
    "activation_options": lambda x, y: [
        ops.gelu(x, approximate=False),
        ops.leaky_relu(x, negative_slope=0.3),
        ops.softmax(x, axis=1),
        ops.elu(x, alpha=0.5),
    ],
    "mean": lambda x, y: [
        ops.mean(x, axis=axis, keepdims=keep)
        for axis in ((1, 2), 1, 2, -1, (2, 3), (1, 2, 3))
        for keep in (False, True)
    ],
    "max": lambda x, y: [ops.max(x, axis=(1, 2)), ops.amax(x, axis=-1)],
    "sum": lambda x, y: [ops.sum(x, axis=[1, 2]), ops.sum(x, axis=3, keepdims=True)],
    "pool": lambda x, y: [
        ops.max_pool(x, 2),
        ops.max_pool(x, (2, 3), strides=1, padding="same"),
        ops.average_pool(x, 3, strides=2, padding="same"),
    ],
    "resize": lambda x, y: [
        ops.image.resize(x, (8, 3)),
        ops.image.resize(x, (8, 12), interpolation="nearest"),
    ],
    "normalize": lambda x, y: [ops.normalize(x), ops.normalize(x, axis=1)],
}
TENSORFLOW = {
    "keras_activations": lambda x, y: [
        keras.activations.relu(x, max_value=6),
        keras.activations.hard_sigmoid(x),
        keras.activations.swish(x),
    ],
    "activations": lambda x, y: [
        tf.nn.relu(x),
        tf.nn.relu6(x),
        tf.nn.leaky_relu(x, alpha=0.3),
        tf.nn.leaky_relu(x),
        tf.nn.softmax(x),
        tf.nn.gelu(x),
        tf.nn.gelu(x, approximate=True),
        tf.nn.silu(x),
        tf.sigmoid(x),
        tf.tanh(x),
        tf.nn.elu(x),
        tf.nn.selu(x),
        tf.exp(x),
        tf.nn.softplus(x),
        tf.nn.softsign(x),
    ],
    "reduce": lambda x, y: [
        tf.reduce_mean(x, [1, 2]),
        tf.reduce_mean(x, axis=-1, keepdims=True),
        tf.reduce_max(x, axis=[1, 2], keepdims=True),
        tf.reduce_sum(x, 1),
        keras.backend.mean(x, axis=[1, 2]),
    ],
    "pool": lambda x, y: [
        tf.nn.max_pool2d(x, 2, 2, "SAME"),
        tf.nn.max_pool(x, 3, 1, "VALID"),
        tf.nn.avg_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"),
        tf.nn.avg_pool2d(x, 2, 2, "VALID"),
    ],
    "resize": lambda x, y: [
        tf.image.resize(x, (8, 12)),
        tf.image.resize(x, tf.shape(y)[1:3] * 2, method="nearest"),
        tf.repeat(x, 2, axis=1),
    ],
    "normalize": lambda x, y: tf.nn.l2_normalize(x, -1),
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
        ("tf.math.reduce_mean", {"axis": 0}, "across the images of a batch"),
        ("tf.math.reduce_mean", {}, "across the images of a batch"),
        ("tf.math.reduce_mean", {"axis": [1, 3]}, "not side by side"),
        ("tf.math.reduce_mean", {"axis": 7}, "axis 7 of a tensor of 4 axes"),
        ("tf.math.reduce_mean", {"axis": "x\n"}, "axis .x.n. of"),
        ("tf.image.resize", {"size": [-1, 4]}, "below 1"),
        ("tf.image.resize", {"size": [4, 4], "antialias": True}, "antialias=True"),
        ("tf.nn.max_pool2d", {"ksize": 2, "padding": "EVIL"}, "unfit arguments"),
        ("tf.nn.max_pool2d", {"ksize": 2, "data_format": "NCHW"}, "data_format='NCHW'"),
    ],
)
def test_what_cannot_be_done_is_refused(symbol, arguments, why):
    assert_refused(symbol, arguments, why)
