import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from raw_operations import (
    assert_keras_3,
    assert_refused,
    assert_tf_keras,
    graph_with_input,
)

from tfcompress.errors import ModelError
from tfcompress.loading.operations.translate import Operation, translate

KERAS_3 = {
    "split": lambda x, y: [*ops.split(x, 4, axis=-1), *ops.split(x, [1, 3], axis=1)],
    "unstack": lambda x, y: [*ops.unstack(x, axis=1), *ops.unstack(x, axis=-1)],
    "getitem": lambda x, y: [
        x[:, ::2, 1:-1],
        x[..., ::-1],
        x[..., 2],
        x[:, -1, None],
        x[:, None, :, 0, ...],
        x[:, 3:0:-2, 2:, -3:],
    ],
    "take": lambda x, y: [
        ops.take(x, np.array([2, 1, 0]), axis=-1),
        ops.take(x, np.array([1, 4, 7]), axis=-1),
    ],
    "flip": lambda x, y: [ops.flip(x, axis=1), ops.flip(x, axis=(1, -1))],
}
TENSORFLOW = {
    "split": lambda x, y: [
        *tf.split(x, 2, axis=-1),
        *tf.split(x, [1, -1, 2], -1),
        *tf.unstack(x, axis=2),
    ],
    "getitem": lambda x, y: [
        x[:, ::2, 1:],
        x[..., ::-1],
        x[..., 2],
        x[:, 0, tf.newaxis],
        tf.slice(x, [0, 1, 0, 2], [-1, 2, -1, 3]),
        tf.gather(x, [2, 1, 0], axis=-1),
        tf.gather(x, 2, axis=1),
        tf.reverse(x, [-1]),
        tf.image.flip_left_right(x),
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
        ("tf.unstack", {"axis": 0}, "across the images"),
        ("tf.split", {"num_or_size_splits": 3, "axis": -1}, "of 8 values into 3"),
        ("tf.split", {"num_or_size_splits": -1, "axis": -1}, "into -1 parts"),
        ("tf.__operators__.getitem", {"slice_spec": 0}, "across the images"),
        (
            "tf.__operators__.getitem",
            {"slice_spec": [slice(1, 2)]},
            "across the images",
        ),
        ("tf.__operators__.getitem", {"slice_spec": [slice(None)] * 5}, "5 indices"),
        ("tf.__operators__.getitem", {"slice_spec": ["x"]}, "no number"),
        (
            "tf.__operators__.getitem",
            {"slice_spec": [slice(None), slice(1, None, 0)]},
            "unfit arguments",
        ),
        ("tf.__operators__.getitem", {"slice_spec": [Ellipsis, 8]}, "no value"),
        ("tf.compat.v1.gather", {"indices": [0, 1, 5], "axis": 3}, "equally far apart"),
    ],
)
def test_what_cannot_be_done_is_refused(symbol, arguments, why):
    assert_refused(symbol, arguments, why)


def test_parts_are_numbered_and_the_last_bears_the_name():
    graph, x = graph_with_input()
    settings = {"name": "cut", "indices_or_sections": 2, "axis": -1}
    parts = translate(
        graph, Operation("cut", "keras.src.ops.numpy.Split", [x], {}, settings)
    )
    assert [part.node.name for part in parts] == ["cut_0", "cut"]
    assert [part.node.layer.slices for part in parts] == [
        ((None, None, None), (None, None, None), (0, 4, None)),
        ((None, None, None), (None, None, None), (4, 8, None)),
    ]


def test_too_many_parts_are_refused_before_they_are_made():
    graph, x = graph_with_input((4, 6, 100_000))
    for symbol, arguments in {
        "tf.unstack": {"axis": -1},
        "tf.split": {"num_or_size_splits": 50_000, "axis": -1},
    }.items():
        with pytest.raises(ModelError, match="parts"):
            translate(graph, Operation("op", symbol, [x], arguments))
    assert len(graph.nodes) == 1
