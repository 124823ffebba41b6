import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tfcompress.profiling.operator_flops import (
    CALLING,
    COUNTERS,
    MOVING,
    PER_OUTPUT,
    UNCOUNTED,
    count_flops,
)
from tfcompress.profiling.operator_macs import count_macs
from tfcompress.profiling.tflite_tensors import Op, Tensor

NONE = np.empty(0)


def op(name, inputs, output, **options):
    tensors = tuple(
        None if shape is None else Tensor("t", "float32", shape, NONE, NONE, None)
        for shape in inputs
    )
    given = Tensor("o", "float32", output, NONE, NONE, None)
    return Op(name, tensors, (given,), options)


def flops(operator):
    return count_flops(operator, count_macs(operator))


def test_every_operator_of_the_schema_has_one_place():
    names = [name for name in vars(schema.BuiltinOperator) if name.isupper()]
    assert len(names) > 200
    kinds = (CALLING, COUNTERS, MOVING, PER_OUTPUT, UNCOUNTED)
    assert {name: sum(name in kind for kind in kinds) for name in names} == (
        dict.fromkeys(names, 1)
    )


IMAGE = (1, 8, 6, 4)
RELU, RELU6 = 1, 3


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        # Two a MAC, one a bias, and the activation fused: one comparison, or two.
        (
            op("CONV_2D", [IMAGE, (10, 3, 3, 4), (10,)], (1, 4, 3, 10),
               FusedActivationFunction=RELU6),
            2 * 12 * 360 + 120 + 2 * 120,
        ),
        (op("CONV_2D", [IMAGE, (10, 3, 3, 4), None], (1, 4, 3, 10)), 2 * 12 * 360),
        (op("FULLY_CONNECTED", [(1, 12), (7, 12), (7,)], (1, 7)), 2 * 84 + 7),
        (
            op("TRANSPOSE_CONV", [(4,), (5, 2, 2, 4), IMAGE, (5,)], (1, 16, 12, 5)),
            2 * 48 * 80 + 16 * 12 * 5,
        ),
        (op("ADD", [IMAGE, (4,)], IMAGE, FusedActivationFunction=RELU), 2 * 192),
        (op("HARD_SWISH", [IMAGE], IMAGE), 5 * 192),
        (op("RESHAPE", [IMAGE, (2,)], (1, 192)), 0),
        # Three sums and a quotient; three comparisons; squares and a root more.
        (
            op("AVERAGE_POOL_2D", [IMAGE], (1, 4, 3, 4), FilterHeight=2, FilterWidth=2),
            48 * 4,
        ),
        (op("MAX_POOL_2D", [IMAGE], (1, 4, 3, 4), FilterHeight=2, FilterWidth=2), 144),
        (
            op("L2_POOL_2D", [IMAGE], (1, 4, 3, 4), FilterHeight=2, FilterWidth=2),
            48 * 9,
        ),
        # 47 sums and a quotient for each of four channels.
        (op("MEAN", [IMAGE, (2,)], (1, 4)), 192),
        (op("SUM", [IMAGE, (2,)], (1, 4)), 192 - 4),
        (op("ARG_MAX", [(1, 10), ()], (1,)), 9),
        # Nine comparisons, ten differences, exponentials, nine sums, ten quotients.
        (op("SOFTMAX", [(3, 10)], (3, 10)), 3 * (9 + 10 + 10 + 9 + 10)),
        # One logarithm instead of the quotients, and ten differences more.
        (op("LOG_SOFTMAX", [(3, 10)], (3, 10)), 3 * (9 + 10 + 10 + 9 + 1 + 10)),
        (op("L2_NORMALIZATION", [(3, 10)], (3, 10)), 3 * (10 + 9 + 1 + 10)),
        (op("ADD_N", [IMAGE] * 3, IMAGE), 2 * 192),
        (op("GELU", [IMAGE], IMAGE, Approximate=True), 9 * 192),
        (op("GELU", [IMAGE], IMAGE, Approximate=False), 5 * 192),
        (op("RNN", [(1, 4), (6, 4), (6, 6), (6,), (1, 6)], (1, 6)), 2 * 60 + 2 * 6),
    ],
)  # fmt: skip
def test_operations_by_arithmetic(operator, expected):
    assert flops(operator) == expected


def test_a_window_of_a_window_reduction_is_a_constant():
    window = Tensor(
        "w", "int64", (2,), NONE, NONE, np.array([2, 3], "<i8").view(np.uint8)
    )
    start = op("REDUCE_WINDOW", [(8, 9), ()], (4, 3))
    assert flops(Op(start.name, (*start.inputs, window), start.outputs)) == 12 * 5


def test_a_pooling_without_a_window_is_refused():
    with pytest.raises((LookupError, ValueError)):
        flops(op("MAX_POOL_2D", [IMAGE], (1, 4, 3, 4)))
    with pytest.raises(ValueError, match="window of 0x2"):
        flops(op("MAX_POOL_2D", [IMAGE], (1, 4, 3, 4), FilterHeight=0, FilterWidth=2))
