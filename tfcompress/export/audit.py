"""Audit of a .tflite file: which operators it has, and what in it is still float."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfcompress.profiling.kernel_counts import CHANNEL_AXES, count_kernel
from tfcompress.profiling.tflite_graph import read_tflite
from tfcompress.profiling.tflite_tensors import FLOAT_DTYPES, Graph, Op, Tensor
from tfcompress.quantization.shared_values import WeightCounts

CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class Port:
    """The input or output of a file: real value = scale * (stored - zero_point).

    Args:
      dtype: numpy's name of the type, such as `int8`.
      shape: with the batch, such as (1, height, width, channels).
      scale: None where the values are stored as they are.
      zero_point: None where `scale` is.
    """

    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Kernel:
    """The weights of one operator, as the file stores them.

    Args:
      layer: that the operator came from.
      counts: how many weights there are, how many are zero and how many differ.
    """

    layer: str
    counts: WeightCounts


@dataclass(frozen=True)
class Precision:
    """In which types an operator computes.

    Args:
      layer: that the operator came from.
      op: its type.
      activations: numpy's name of the type of its output.
      weights: of its kernel; None where it has none.
    """

    layer: str
    op: str
    activations: str
    weights: str | None


@dataclass(frozen=True)
class Audit:
    """What a .tflite file is made of.

    Args:
      ops: number of operators by type, over all subgraphs, most frequent first.
      float_ops: (operator, layer) of each operator that reads or writes a float
        tensor, in order of execution.
      float_tensors: names of the tensors that are float.
      input: the first input of the main graph.
      output: the first output of the main graph.
      kernels: weights of convolutions and dense layers, in order of execution.
      precisions: of all operators but conversions, in order of execution.
    """

    ops: Mapping[str, int]
    float_ops: tuple[tuple[str, str], ...]
    float_tensors: tuple[str, ...]
    input: Port
    output: Port
    kernels: tuple[Kernel, ...]
    precisions: tuple[Precision, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return {
            "ops": dict(self.ops),
            "float_ops": [list(pair) for pair in self.float_ops],
            "float_tensors": list(self.float_tensors),
            "input": {**asdict(self.input), "shape": list(self.input.shape)},
            "output": {**asdict(self.output), "shape": list(self.output.shape)},
            "kernels": [
                {"layer": kernel.layer, **asdict(kernel.counts)}
                for kernel in self.kernels
            ],
            "precisions": [asdict(precision) for precision in self.precisions],
        }


def audit_tflite(path: str | Path) -> Audit:
    """Reads what a .tflite file is made of from its flatbuffer.

    Args:
      path: the file; it is parsed, never run.

    Returns:
      Operators by type, what is still float, and the scale and zero point of input
      and output.

    Raises:
      ModelError: the file cannot be read, is damaged, or is no .tflite file.

    Example:
      >>> tfc.audit_tflite("model.tflite").ops
      {'CONV_2D': 7, 'DEPTHWISE_CONV_2D': 6, 'MEAN': 1, 'FULLY_CONNECTED': 1}
    """
    return audit_graphs(read_tflite(path))


def audit_graphs(graphs: tuple[Graph, ...]) -> Audit:
    """Audits graphs that `read_tflite` returned."""
    ops = [op for graph in graphs for op in graph.ops]
    tensors = [tensor for graph in graphs for tensor in graph.tensors]
    counts = sorted(Counter(op.name for op in ops).items(), key=_most_frequent_first)
    return Audit(
        ops=dict(counts),
        float_ops=tuple(
            (op.name, op.layer) for op in ops if any(map(_is_float, op.tensors))
        ),
        float_tensors=tuple(tensor.name for tensor in tensors if _is_float(tensor)),
        input=_port(graphs[0].inputs[0]),
        output=_port(graphs[0].outputs[0]),
        kernels=tuple(_kernels(ops)),
        precisions=tuple(_precision(op) for op in ops if op.name not in CONVERSIONS),
    )


def _precision(op: Op) -> Precision:
    kernel = op.inputs[1] if op.name in CHANNEL_AXES else None
    output = op.outputs[0] if op.outputs else None
    return Precision(
        layer=op.layer,
        op=op.name,
        activations=output.dtype if output else "",
        weights=kernel.dtype if kernel else None,
    )


def _kernels(ops: Iterable[Op]) -> Iterator[Kernel]:
    for op in ops:
        if counts := count_kernel(op):
            yield Kernel(op.layer, counts)


def _most_frequent_first(item: tuple[str, int]) -> tuple[int, str]:
    name, count = item
    return -count, name


def _is_float(tensor: Tensor) -> bool:
    return tensor.dtype in FLOAT_DTYPES


def _port(tensor: Tensor) -> Port:
    quantized = len(tensor.scales) == 1 and len(tensor.zero_points) == 1
    return Port(
        dtype=tensor.dtype,
        shape=tensor.shape,
        scale=float(tensor.scales[0]) if quantized else None,
        zero_point=int(tensor.zero_points[0]) if quantized else None,
    )
