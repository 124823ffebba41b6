import numpy as np
import pytest
import tf_keras as keras
from raw_operations import SHAPE, graph_with_input, names_and_types

from tfcompress.errors import ModelError
from tfcompress.loading.operations.expression import (
    Call,
    Value,
    affine,
    inner_axis,
    place,
    product,
    reshaped,
    with_constant,
)

layers = keras.layers


def test_the_outermost_layer_is_the_one_that_is_named():
    graph, x = graph_with_input()
    value = Value(x, (None, *SHAPE))
    inner = Call(layers.ZeroPadding2D, Call(layers.ReLU, value), {"padding": 1})
    tensor = place(graph, Call(layers.Concatenate, [inner, inner]), "op")
    assert tensor.node.name == "op"
    assert sorted(names_and_types(graph)) == [
        ("op", "Concatenate"),
        ("op_zero_padding2d", "ZeroPadding2D"),
        ("op_zero_padding2d_2", "ZeroPadding2D"),
        ("op_zero_padding2d_re_lu", "ReLU"),
        ("op_zero_padding2d_re_lu_2", "ReLU"),
    ]


def test_a_tensor_needs_no_layer():
    graph, x = graph_with_input()
    assert place(graph, Value(x, (None, *SHAPE)), "op") == x
    assert len(graph.nodes) == 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), ()), ((1,), ()), ((1, 1, 1), ()), ((8,), (8,)), ((1, 1, 1, 8), (8,))],
)
def test_a_constant_is_one_number_or_one_for_each_channel(shape, expected):
    value = Value(graph_with_input()[1], (None, *SHAPE))
    made = with_constant(value, np.ones(shape), lambda *given: given)
    assert made[0] is value and made[1].shape == expected


def test_a_constant_of_other_axes_is_one_number_for_each_value():
    value = Value(graph_with_input()[1], (None, *SHAPE))
    made = with_constant(value, np.arange(6.0)[:, None], lambda x, n: affine(x, 1.0, n))
    assert made.layer is layers.Reshape and made.options == {"target_shape": [4, 6, 8]}
    offsets = np.reshape(made.given.options["offset"], SHAPE)
    np.testing.assert_array_equal(offsets[3, :, 7], np.arange(6))


@pytest.mark.parametrize("shape", [(5, 1), (4, 8), (2, 1, 1, 8), (1,) * 5, (0,)])
def test_other_constants_are_refused(shape):
    value = Value(graph_with_input()[1], (None, *SHAPE))
    with pytest.raises(ModelError, match="takes the shape of the tensor"):
        with_constant(value, np.ones(shape), affine)
    with pytest.raises(ModelError, match="unknown size"):
        with_constant(value._replace(shape=(None, 4, None, 8)), np.ones(shape), affine)


def test_affine_holds_plain_numbers():
    value = Value(graph_with_input()[1], (None, *SHAPE))
    call = affine(value, np.float32(2), np.arange(3))
    assert call.options == {"scale": 2.0, "offset": [0, 1, 2]}
    with pytest.raises(ModelError, match="not finite"):
        affine(value, 1.0, float("inf"))


def test_at_most_one_size_may_be_open():
    value = Value(graph_with_input()[1], (None, None, 6, 8))
    assert reshaped(value, [None, 6, 8]) is value
    assert reshaped(value, [None, 48]).options == {"target_shape": [-1, 48]}
    with pytest.raises(ModelError, match="unknown size"):
        reshaped(value, [None, None, 1])


def test_axes_count_from_either_end_and_are_never_the_batch():
    assert [inner_axis(a, 4) for a in (1, 3, -1, -3)] == [1, 3, 3, 1]
    for axis in (0, -4, 4, -5, "1", 1.0, True, None):
        with pytest.raises(ModelError):
            inner_axis(axis, 4)


def test_a_product_with_an_open_size_is_open():
    assert (product([2, 3]), product([]), product([2, None])) == (6, 1, None)
