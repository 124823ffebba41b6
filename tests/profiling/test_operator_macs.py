import numpy as np
import pytest

from tfcompress.profiling.operator_macs import count_macs, kernels
from tfcompress.profiling.tflite_tensors import Op, Tensor

NONE = np.empty(0)


def op(name, inputs, output, **options):
    tensors = tuple(
        None if shape is None else Tensor("t", "float32", shape, NONE, NONE, None)
        for shape in inputs
    )
    given = Tensor("o", "float32", output, NONE, NONE, None)
    return Op(name, tensors, (given,), options)


IMAGE = (1, 8, 6, 4)


@pytest.mark.parametrize(
    ("operator", "macs"),
    [
        (op("CONV_2D", [IMAGE, (10, 3, 3, 4), (10,)], (1, 4, 3, 10)), 12 * 360),
        # Two groups: each output sees half of the inputs.
        (op("CONV_2D", [IMAGE, (10, 3, 3, 2), None], (1, 4, 3, 10)), 12 * 180),
        (op("DEPTHWISE_CONV_2D", [IMAGE, (1, 3, 3, 8), (8,)], (1, 4, 3, 8)), 12 * 72),
        (op("TRANSPOSE_CONV", [(4,), (5, 2, 2, 4), IMAGE], (1, 16, 12, 5)), 48 * 80),
        (
            op("CONV_3D", [(1, 4, 4, 4, 2), (3, 3, 3, 2, 5), None], (1, 2, 2, 2, 5)),
            8 * 270,
        ),
        (
            op("CONV_3D_TRANSPOSE", [(5,), (2, 2, 2, 5, 3), (1, 4, 4, 4, 3)],
               (1, 8, 8, 8, 5)),
            64 * 120,
        ),
        (op("FULLY_CONNECTED", [(1, 12), (7, 12), (7,)], (1, 7)), 84),
        # A matrix of five rows; and an image that is flattened on the way.
        (op("FULLY_CONNECTED", [(1, 5, 12), (7, 12), None], (1, 5, 7)), 5 * 84),
        (op("FULLY_CONNECTED", [(1, 2, 2, 3), (7, 12), None], (1, 7)), 84),
        (op("BATCH_MATMUL", [(2, 5, 3), (2, 3, 4)], (2, 5, 4)), 2 * 5 * 4 * 3),
        (
            op("BATCH_MATMUL", [(2, 3, 5), (2, 3, 4)], (2, 5, 4), AdjX=True),
            2 * 5 * 4 * 3,
        ),
        (
            op("STABLEHLO_DOT_GENERAL", [(5, 3, 2), (3, 2, 4)], (5, 4),
               LhsContractingDimensions=[1, 2]),
            5 * 4 * 3 * 2,
        ),
        (
            op("STABLEHLO_CONVOLUTION", [IMAGE, (3, 3, 4, 10)], (1, 4, 3, 10),
               KernelOutputFeatureDimension=3),
            12 * 360,
        ),
        (op("RNN", [(1, 4), (6, 4), (6, 6), (6,), (1, 6)], (1, 6)), 24 + 36),
        (
            op("UNIDIRECTIONAL_SEQUENCE_RNN",
               [(1, 9, 4), (6, 4), (6, 6), (6,), (1, 6)], (1, 9, 6)),
            9 * 60,
        ),
        # Rank 1: six filters over four inputs, then over a memory of five.
        (op("SVDF", [(1, 4), (6, 4), (6, 5), None, (1, 30)], (1, 6)), 24 + 30),
        # A basic cell has all gates in one matrix over input and state.
        (op("LSTM", [(1, 4), (1, 6), (24, 10), (24,), (1, 6)], (1, 6)), 240),
        (
            op("UNIDIRECTIONAL_SEQUENCE_LSTM",
               [(1, 9, 4), *[(6, 4)] * 4, *[(6, 6)] * 4, *[None] * 3, *[(6,)] * 4,
                None, None, (1, 6), (1, 6)], (1, 9, 6)),
            9 * (4 * 24 + 4 * 36),
        ),
        (op("ADD", [IMAGE, IMAGE], IMAGE), 0),
        (op("CUSTOM:Conv", [IMAGE, (3, 3)], IMAGE), 0),
    ],
)  # fmt: skip
def test_macs_by_arithmetic(operator, macs):
    assert count_macs(operator) == macs


def test_kernels_are_what_activations_are_multiplied_with():
    convolution = op("CONV_2D", [IMAGE, (10, 3, 3, 4), (10,)], (1, 4, 3, 10))
    assert kernels(convolution) == (convolution.inputs[1],)
    basic = op("LSTM", [(1, 4), (1, 6), (24, 10), (24,), (1, 6)], (1, 6))
    assert kernels(basic) == (basic.inputs[2],)
    assert kernels(op("CONV_2D", [IMAGE], (1, 4, 3, 10))) == ()


@pytest.mark.parametrize(
    "operator",
    [
        op("CONV_2D", [IMAGE, (10, 3, 3, 4)], (1, 4, 3, 11)),
        op("CONV_2D", [IMAGE], (1, 4, 3, 10)),
        op("CONV_2D", [IMAGE, None], (1, 4, 3, 10)),
        op("FULLY_CONNECTED", [(1, 12), (7, 11)], (1, 7)),
        op("FULLY_CONNECTED", [(1, 12), (7, 12, 1)], (1, 7)),
        op("FULLY_CONNECTED", [(1, 12), (0, 12)], (1, 7)),
        op("BATCH_MATMUL", [(), (2, 3)], (2, 3)),
    ],
)
def test_tensors_that_do_not_fit_are_refused(operator):
    with pytest.raises((ValueError, LookupError, ArithmeticError)):
        count_macs(operator)
