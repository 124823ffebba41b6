import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from keras import ops
from raw_operations import (
    SHAPE,
    assert_keras_3,
    assert_refused,
    assert_tf_keras,
    graph_with_input,
)

from tfcompress.loading.operations.translate import Operation, translate

KERAS_3 = {
    "reshape": lambda x, y: [
        ops.reshape(x, (-1, 192)),
        ops.reshape(x, (-1, 4, 6, 2, 4)),
        ops.reshape(ops.reshape(x, (-1, 24, 8)), (-1, 4, 48)),
    ],
    "transpose": lambda x, y: [
        ops.transpose(x, (0, 3, 1, 2)),
        ops.swapaxes(x, 1, -1),
        ops.moveaxis(x, -1, 1),
        ops.moveaxis(x, (1, 2), (2, 3)),
    ],
    "expand_dims": lambda x, y: [ops.expand_dims(x, 1), ops.expand_dims(x, -1)],
    "squeeze": lambda x, y: [
        ops.squeeze(x[:, :1, :1]),
        ops.squeeze(x[:, :1, :1], axis=1),
    ],
    "concatenate": lambda x, y: [
        ops.concatenate([x, y], axis=-1),
        ops.concatenate([x, y, x], axis=1),
    ],
    "stack": lambda x, y: [ops.stack([x, y], axis=1), ops.stack([x, y], axis=-1)],
    "pad": lambda x, y: [
        ops.pad(x, [[0, 0], [1, 2], [3, 0], [0, 0]]),
        ops.pad(x, [[0, 0], [0, 1], [1, 1], [2, 3]]),
    ],
    "repeat": lambda x, y: [ops.repeat(x, 2, axis=1), ops.repeat(x, 3, axis=2)],
    "space": lambda x, y: [ops.depth_to_space(x, 2), ops.space_to_depth(x, 2)],
    "nothing": lambda x, y: [ops.stop_gradient(x) + 1.0, ops.cast(x, "float32") + y],
}
TENSORFLOW = {
    "reshape": lambda x, y: [
        tf.reshape(x, (-1, 192)),
        tf.reshape(x, [tf.shape(x)[0], 24, 8]),
        tf.reshape(x, tf.stack([tf.shape(x)[0], 192])),
        tf.reshape(x, tf.concat([tf.shape(x)[:2], [48]], 0)),
    ],
    "transpose": lambda x, y: [
        tf.transpose(x, (0, 3, 1, 2)),
        keras.backend.permute_dimensions(x, (0, 2, 1, 3)),
    ],
    "dims": lambda x, y: [
        tf.expand_dims(x, 1),
        tf.squeeze(x[:, :1, :1], [1, 2]),
        tf.squeeze(x[:, :1]),
    ],
    "concat": lambda x, y: [
        tf.concat([x, y], -1),
        tf.concat([x, y], axis=1),
        tf.stack([x, y], axis=1),
        keras.backend.concatenate([x, y]),
    ],
    "pad": lambda x, y: tf.pad(x, [[0, 0], [1, 1], [0, 2], [0, 4]]),
    "space": lambda x, y: [tf.nn.depth_to_space(x, 2), tf.nn.space_to_depth(x, 2)],
    "nothing": lambda x, y: [
        tf.identity(x) + 1.0,
        tf.stop_gradient(x) + y,
        tf.cast(x, tf.float32) + 2.0,
    ],
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
        ("tf.reshape", {"shape": [-1, 96]}, "across the batch"),
        ("tf.reshape", {"shape": "evil"}, "unfit arguments"),
        ("tf.compat.v1.transpose", {"perm": [3, 0, 1, 2]}, "across the images"),
        ("tf.concat", {"axis": 0}, "with a constant"),
        ("tf.compat.v1.pad", {"paddings": [[1, 1]] * 4}, "other axes"),
        ("tf.compat.v1.pad", {"paddings": [[0, 0]] * 4, "mode": "REFLECT"}, "zeros"),
        ("tf.cast", {"dtype": "float16"}, "from float32 to float16"),
        ("tf.nn.space_to_depth", {"block_size": "2"}, "unfit arguments"),
    ],
)
def test_what_cannot_be_done_is_refused(symbol, arguments, why):
    assert_refused(symbol, arguments, why)


def test_whole_numbers_become_floats():
    graph, x = graph_with_input(dtype="uint8")
    (cut,) = translate(graph, Operation("cut", "tf.slice", [x, [0] * 4, [-1, 2, 2, 3]]))
    (output,) = translate(
        graph, Operation("cast", "tf.cast", [cut], {"dtype": "float32"})
    )
    graph.outputs = [output]
    images = np.arange(192, dtype=np.uint8).reshape(1, *SHAPE)
    result = graph.to_model()(images)
    np.testing.assert_array_equal(result, images[:, :2, :2, :3].astype(np.float32))
