import keras as keras_3
import pytest
import tensorflow as tf
import tf_keras as keras
from keras import ops
from raw_operations import (
    SHAPE,
    assert_refused,
    assert_same,
    graph_with_input,
    names_and_types,
)

from tfcompress.errors import ModelError
from tfcompress.loading.operations.translate import Operation, translate


def test_the_last_layer_bears_the_name_of_the_operation():
    graph, x = graph_with_input()
    operation = Operation("cap", "tf.math.minimum", [x], {"y": 6.0, "name": None})
    (output,) = translate(graph, operation)
    assert names_and_types(graph) == [
        ("cap_re_lu_rescaling", "Rescaling"),
        ("cap_re_lu", "ReLU"),
        ("cap", "Rescaling"),
    ]
    assert output.node.name == "cap"


def test_a_second_call_gets_a_name_of_its_own():
    graph, x = graph_with_input()
    operation = Operation("double", "tf.math.multiply", [x], {"y": 2.0})
    names = [translate(graph, operation)[0].node.name for _ in range(2)]
    assert names == ["double", "double_2"]


def test_each_common_operation_is_one_layer():
    graph, x = graph_with_input()
    for symbol, arguments in {
        "tf.math.add": {"y": 3.0},
        "tf.nn.relu6": {},
        "keras.src.ops.nn.HardSilu": {},
        "tf.clip_by_value": {"clip_value_min": 0, "clip_value_max": 6},
        "tf.math.reduce_mean": {"axis": [1, 2]},
        "keras.src.ops.numpy.Maximum": {"x2": 0},
    }.items():
        translate(graph, Operation("op", symbol, [x], arguments))
    assert [kind for _, kind in names_and_types(graph)] == [
        "Rescaling",
        "ReLU",
        "HardSwish",
        "ReLU",
        "GlobalAveragePooling2D",
        "ReLU",
    ][::-1]


@pytest.mark.parametrize(
    ("symbol", "arguments"),
    [
        ("tf.identity", {}),
        ("tf.cast", {"dtype": tf.float32}),
        ("keras.src.ops.numpy.GetItem", {"key": (slice(None), Ellipsis)}),
        ("tf.compat.v1.transpose", {"perm": [0, 1, 2, 3]}),
        ("tf.reshape", {"shape": [-1, *SHAPE]}),
    ],
)
def test_what_does_nothing_adds_no_layer(symbol, arguments):
    graph, x = graph_with_input()
    assert translate(graph, Operation("op", symbol, [x], arguments)) == [x]
    assert len(graph.nodes) == 1


def test_sizes_of_images_may_be_open():
    x, y = (keras_3.Input((None, None, 8), name=letter) for letter in "xy")
    outputs = [
        x[..., ::-1] * 2.0 + y,
        x[:, ::2, 1:],
        ops.mean(ops.transpose(x, (0, 2, 1, 3)), axis=(1, 2)),
        ops.reshape(ops.mean(y, axis=(1, 2)), (-1, 2, 4)),
    ]
    assert_same(keras_3.Model([x, y], outputs), [(5, 4, 8), (5, 4, 8)])
    x = keras.Input((None, None, 8), name="x")
    size = tf.shape(x)
    flat = tf.reshape(x, [size[0], -1, 8])
    assert_same(keras.Model(x, flat), [(5, 4, 8)])


def test_sizes_that_are_needed_must_be_known():
    graph, x = graph_with_input((None, None, 8))
    (sizes,) = translate(graph, Operation("shape", "tf.compat.v1.shape", [x]))
    assert sizes == [-1, None, None, 8]
    item = "tf.__operators__.getitem"
    assert translate(graph, Operation("item", item, [sizes, 3])) == [8]
    (sides,) = translate(graph, Operation("sides", item, [sizes, slice(1, 3)]))
    for operation in (
        Operation("height", item, [sizes, 1]),
        Operation("resize", "tf.image.resize", [x, sides]),
        Operation("twice", "tf.math.multiply", [sides, 2]),
        Operation("sum", "tf.math.reduce_sum", [x], {"axis": 1}),
        Operation("more", "tf.expand_dims", [x], {"axis": 3}),
        Operation("all", "tf.math.multiply", [sizes[0], 2]),
    ):
        with pytest.raises(ModelError, match=f"layer {operation.name} .* size"):
            translate(graph, operation)


@pytest.mark.parametrize(
    ("symbol", "arguments", "why"),
    [
        ("tf.io.write_file", {"contents": "x"}, "not on the list"),
        ("tf.os.system", {}, "not on the list"),
        ("keras.src.ops.nn.Conv", {}, "not on the list"),
        ("keras.src.utils.file_utils.get_file", {}, "not on the list"),
        ("tf.nn.relu", {"evil": 1}, "evil=1"),
    ],
)
def test_what_is_not_known_is_refused(symbol, arguments, why):
    assert_refused(symbol, arguments, why)
