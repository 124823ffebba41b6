"""Profile of a .tflite file: parameters, multiply-accumulates, bytes and latency."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfcompress.errors import ModelError
from tfcompress.profiling.latency import measure_latency
from tfcompress.profiling.profile import LayerProfile, Profile, Totals
from tfcompress.profiling.tflite_graph import (
    FLOAT_DTYPES,
    Graph,
    Op,
    Tensor,
    read_tflite,
)

# Which input is the kernel, and how many positions each of its weights is used at.
_KERNELS: dict[str, tuple[int, Callable[[Op, Tensor], int]]] = {
    "CONV_2D": (1, lambda op, kernel: _positions(op.outputs[0])),
    "DEPTHWISE_CONV_2D": (1, lambda op, kernel: _positions(op.outputs[0])),
    "TRANSPOSE_CONV": (1, lambda op, kernel: _positions(op.inputs[2])),
    "FULLY_CONNECTED": (1, lambda op, kernel: op.outputs[0].size // kernel.shape[0]),
}


def profile_tflite(
    path: str | Path, latency: bool = True, num_threads: int = 1
) -> Profile:
    """Profiles a .tflite file, operator by operator.

    What the converter has folded is counted as it is in the file: a BatchNorm that
    went into a convolution leaves no parameters of its own. Numbers of the network
    are floats and whatever has a scale; shapes and axes are not counted.

    Args:
      path: the file; it is parsed here, and run in a process of its own.
      latency: whether to time it.
      num_threads: LiteRT's when it is timed.

    Returns:
      One layer an operator, in order of execution. Multiply-accumulates are exact
      for convolutions, grouped, depthwise and transposed, fully connected layers and
      matrix products, with padding counted; other operators count as 0.

    Raises:
      ModelError: the file is damaged, cannot be run, or is no .tflite file.
    """
    graph = read_tflite(path)[0]
    try:
        layers = _layers(graph)
    except (ArithmeticError, LookupError, ModelError) as error:
        raise ModelError(
            f"{path} is damaged: an operator does not fit its tensors ({error}); copy "
            "it again, or convert the model again"
        ) from error
    measured = measure_latency(path, num_threads).to_dict() if latency else None
    return Profile(
        source=str(path),
        format="tflite",
        totals=Totals.of(layers, path=path, latency_ms=measured),
        layers=layers,
    )


def _layers(graph: Graph) -> tuple[LayerProfile, ...]:
    # float16 files keep constants in half precision, each behind a DEQUANTIZE.
    expanded = {
        id(op.outputs[0]): op.inputs[0]
        for op in graph.ops
        if op.name == "DEQUANTIZE" and op.inputs[0] and _is_parameter(op.inputs[0])
    }
    counted: set[int] = set()
    layers = []
    for op in graph.ops:
        if op.outputs and id(op.outputs[0]) in expanded:
            continue
        inputs = tuple(expanded.get(id(tensor), tensor) for tensor in op.inputs)
        layers.append(_layer(Op(op.name, inputs, op.outputs), counted))
    return tuple(layers)


def _layer(op: Op, counted: set[int]) -> LayerProfile:
    parameters = [
        tensor
        for tensor in dict.fromkeys(op.inputs)
        if tensor and _is_parameter(tensor) and id(tensor) not in counted
    ]
    counted.update(id(tensor) for tensor in parameters)
    kernel = _kernel(op)
    is_new = kernel in parameters
    return LayerProfile(
        name=op.layer,
        type=op.name,
        output_shape=op.outputs[0].shape[1:] if op.outputs else (),
        params=sum(tensor.size for tensor in parameters),
        nonzero_params=sum(map(_num_nonzero, parameters)),
        macs=_macs(op, kernel),
        kernel_params=kernel.size if kernel and is_new else 0,
        nonzero_kernel_params=_num_nonzero(kernel) if kernel and is_new else 0,
    )


def _kernel(op: Op) -> Tensor | None:
    index, _ = _KERNELS.get(op.name, (0, None))
    if index and len(op.inputs) > index:
        return op.inputs[index]
    return None


def _macs(op: Op, kernel: Tensor | None) -> int:
    if op.name == "BATCH_MATMUL" and op.inputs[0]:
        return op.outputs[0].size * op.inputs[0].shape[-1]
    if kernel is None:
        return 0
    _, uses = _KERNELS[op.name]
    return kernel.size * uses(op, kernel)


def _positions(tensor: Tensor | None) -> int:
    return math.prod(tensor.shape[:-1]) if tensor else 0


def _is_parameter(tensor: Tensor) -> bool:
    is_number = tensor.dtype in FLOAT_DTYPES or bool(len(tensor.scales))
    return tensor.content is not None and is_number


def _num_nonzero(tensor: Tensor) -> int:
    # Per channel every zero point is 0, which the schema demands of weights.
    zero = int(tensor.zero_points[0]) if len(tensor.zero_points) else 0
    return int(np.count_nonzero(tensor.values() != zero))
