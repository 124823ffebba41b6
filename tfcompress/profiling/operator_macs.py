"""Multiply-accumulates of the operators of a .tflite file, exact, by their shapes.

A kernel's weight costs one multiply-accumulate wherever it is applied, padding counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tfcompress.profiling.tflite_tensors import Op, Tensor

# Inputs of the recurrent operators that are multiplied as matrices (or, peepholes,
# element by element); the rest are biases, states and the input itself.
_RECURRENT = {
    "RNN": (1, 2),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2),
    "BIDIRECTIONAL_SEQUENCE_RNN": (1, 2, 5, 6, 10, 11),
    "SVDF": (1, 2),
    "LSTM": (*range(1, 12), 16),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (*range(1, 12), 16),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (
        *(*range(1, 12), 16),
        *(*range(18, 29), 33),
        *range(40, 48),
    ),
}
_NUM_INPUTS_OF_BASIC_LSTM = 5
_KERNELS = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"), (1,)),
    **dict.fromkeys(("CONV_3D", "CONV_3D_TRANSPOSE", "FULLY_CONNECTED"), (1,)),
    "STABLEHLO_CONVOLUTION": (1,),
    **_RECURRENT,
}


def kernels(op: Op) -> tuple[Tensor, ...]:
    """Returns the inputs whose numbers are multiplied with activations."""
    indices = _KERNELS.get(op.name, ())
    if op.name == "LSTM" and len(op.inputs) == _NUM_INPUTS_OF_BASIC_LSTM:
        indices = (2,)
    found = (op.inputs[index] for index in indices if index < len(op.inputs))
    return tuple(tensor for tensor in found if tensor)


def count_macs(op: Op) -> int:
    """Returns the multiply-accumulates of one run of an operator, of its whole batch.

    Args:
      op: of any kind; those that do not multiply and add count as 0.

    Raises:
      ValueError, LookupError, ArithmeticError: its tensors do not fit each other.
    """
    if op.name in _RECURRENT:
        return _recurrent(op)
    counter = _COUNTERS.get(op.name)
    return counter(op) if counter else 0


def _recurrent(op: Op) -> int:
    # Every step of every example, the last axis holding the features.
    steps = math.prod(_needed(op, 0).shape[:-1])
    return steps * sum(kernel.size for kernel in kernels(op))


def _convolution(op: Op) -> int:
    kernel, output = _needed(op, 1), op.outputs[0]
    channels = kernel.shape[_CHANNEL_AXES[op.name]]
    if channels != output.shape[-1]:
        raise ValueError(
            f"a kernel of {channels} outputs gives {output.shape[-1]} channels"
        )
    return kernel.size * math.prod(output.shape[:-1])


def _transposed(op: Op) -> int:
    return _needed(op, 1).size * math.prod(_needed(op, 2).shape[:-1])


def _dense(op: Op) -> int:
    kernel, taken = _needed(op, 1), _needed(op, 0)
    outputs, inputs = kernel.shape
    if taken.size % inputs or op.outputs[0].size % outputs:
        raise ValueError(f"a kernel of {kernel.shape} for an input of {taken.shape}")
    return op.outputs[0].size * inputs


def _matrix_product(op: Op) -> int:
    axis = -2 if op.options.get("AdjX") else -1
    return op.outputs[0].size * _needed(op, 0).shape[axis]


def _dot_general(op: Op) -> int:
    axes = op.options.get("LhsContractingDimensions", ())
    return op.outputs[0].size * math.prod(_needed(op, 0).shape[axis] for axis in axes)


def _general_convolution(op: Op) -> int:
    kernel = _needed(op, 1)
    outputs = kernel.shape[op.options["KernelOutputFeatureDimension"]]
    return op.outputs[0].size * (kernel.size // outputs)


_CHANNEL_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": -1, "CONV_3D": -1}
_COUNTERS: dict[str, Callable[[Op], int]] = {
    **dict.fromkeys(_CHANNEL_AXES, _convolution),
    "TRANSPOSE_CONV": _transposed,
    "CONV_3D_TRANSPOSE": _transposed,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _matrix_product,
    "STABLEHLO_DOT_GENERAL": _dot_general,
    "STABLEHLO_CONVOLUTION": _general_convolution,
}


def _needed(op: Op, index: int) -> Tensor:
    tensor = op.inputs[index]
    if tensor is None:
        raise ValueError(f"{op.name} lacks its input {index}")
    return tensor
