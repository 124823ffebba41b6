"""Static profile of a .tflite file: parameters, operations, bytes and memory.

The file is only read: nothing in it runs, and no TensorFlow is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tfcompress.errors import ModelError
from tfcompress.profiling.counts import (
    LayerProfile,
    Totals,
    batch_notes,
    batch_size_of,
)
from tfcompress.profiling.kernel_counts import count_kernel
from tfcompress.profiling.memory_plan import Buffer, MemoryPlan, Step, plan_memory
from tfcompress.profiling.operator_flops import CALLING, UNCOUNTED, count_flops
from tfcompress.profiling.operator_macs import count_macs, kernels
from tfcompress.profiling.profile import Profile
from tfcompress.profiling.tflite_graph import parse_tflite, read_file
from tfcompress.profiling.tflite_tensors import Graph, Op, Tensor

# These read of their first input what they write, not all of it.
_SELECTING = frozenset({"GATHER", "GATHER_ND", "EMBEDDING_LOOKUP", "SLICE"}) | {
    *("STRIDED_SLICE", "STABLEHLO_GATHER", "STABLEHLO_SLICE", "STABLEHLO_DYNAMIC_SLICE")
}
# Kernels sum integers in 32 bits, or 64 for those of 16, beside the output.
_ACCUMULATING = frozenset({"MEAN", "SUM", "TRANSPOSE_CONV"})
_ACCUMULATOR_BYTES = {"int8": 4, "int16": 8}


def profile_tflite(path: str | Path) -> Profile:
    """Profiles a .tflite file, operator by operator, without running it.

    What the converter has folded is counted as it is in the file: a BatchNorm that
    went into a convolution leaves no parameters of its own. Numbers of the network
    are floats and whatever has a scale; shapes and axes are not counted, and neither
    are single numbers that stand in a formula, such as the 1/6 of hard-swish.

    Args:
      path: the file.

    Returns:
      One layer an operator, in order of execution; of a file with control flow, those
      of all graphs, each once.

    Raises:
      ModelError: the file is damaged, or is no .tflite file.
    """
    content = read_file(path)
    graphs = parse_tflite(content, source=str(path))
    try:
        graphs = tuple(_with_stored_constants(graph) for graph in graphs)
        layers = _layers(op for graph in graphs for op in graph.ops)
        memory = _memory(graphs[0])
    except (ArithmeticError, LookupError, ModelError, ValueError) as error:
        raise ModelError(
            f"{path} is damaged: an operator does not fit its tensors ({error}); copy "
            "it again, or convert the model again"
        ) from error
    batch_size = batch_size_of(tensor.shape for tensor in graphs[0].inputs)
    return Profile(
        source=str(path),
        format="tflite",
        totals=Totals.of(layers, content=content, memory=memory, batch_size=batch_size),
        layers=layers,
        memory=memory,
        notes=(*batch_notes(batch_size), *_notes(graphs)),
    )


def _with_stored_constants(graph: Graph) -> Graph:
    """Returns the graph without the DEQUANTIZE of constants in half precision."""
    stored = {
        id(op.outputs[0]): op.inputs[0]
        for op in graph.ops
        if op.name == "DEQUANTIZE" and op.inputs[0] and op.inputs[0].is_parameter
    }
    ops = tuple(
        Op(
            op.name,
            tuple(stored.get(id(tensor), tensor) for tensor in op.inputs),
            op.outputs,
            op.options,
        )
        for op in graph.ops
        if not (op.outputs and id(op.outputs[0]) in stored)
    )
    return Graph(graph.tensors, ops, graph.inputs, graph.outputs)


def _layers(ops: Iterable[Op]) -> tuple[LayerProfile, ...]:
    counted: set[int] = set()
    stored: set[int] = set()
    return tuple(_layer(op, counted, stored) for op in ops)


def _layer(op: Op, counted: set[int], stored: set[int]) -> LayerProfile:
    parameters = [
        tensor
        for tensor in dict.fromkeys(op.inputs)
        if tensor and _is_parameter(op, tensor) and id(tensor) not in counted
    ]
    counted.update(id(tensor) for tensor in parameters)
    new_kernels = [kernel for kernel in kernels(op) if kernel in parameters]
    macs = count_macs(op)
    counts = count_kernel(op)
    return LayerProfile(
        name=op.layer,
        type=op.name,
        output_shape=op.outputs[0].shape[1:] if op.outputs else (),
        params=sum(tensor.size for tensor in parameters),
        nonzero_params=sum(tensor.num_nonzero for tensor in parameters),
        macs=macs,
        kernel_params=sum(kernel.size for kernel in new_kernels),
        nonzero_kernel_params=sum(kernel.num_nonzero for kernel in new_kernels),
        num_values=counts.num_values if counts else None,
        num_channel_values=counts.num_channel_values if counts else None,
        dtype=_dtype(op),
        flops=count_flops(op, macs),
        weight_bytes=_weight_bytes(parameters, stored),
        read_bytes=_read_bytes(op),
        written_bytes=sum(tensor.num_bytes for tensor in op.outputs),
    )


def _is_parameter(op: Op, tensor: Tensor) -> bool:
    return tensor.is_parameter and (tensor.size != 1 or bool(kernels(op)))


def _dtype(op: Op) -> str:
    computed = [t for t in op.tensors if t.content is None] or list(op.tensors)
    return computed[0].dtype if computed else "float32"


def _weight_bytes(parameters: Iterable[Tensor], stored: set[int]) -> dict[str, int]:
    """Returns the bytes by type; equal constants may share their place in the file."""
    sizes: Counter[str] = Counter()
    for tensor in parameters:
        if tensor.content is None or not len(tensor.content):
            continue
        place = tensor.content.__array_interface__["data"][0]
        if place not in stored:
            stored.add(place)
            sizes[tensor.dtype] += tensor.num_bytes
    return dict(sizes)


def _read_bytes(op: Op) -> int:
    read = sum(tensor.num_bytes for tensor in dict.fromkeys(op.inputs) if tensor)
    if op.name in _SELECTING and op.inputs and op.inputs[0]:
        written = sum(tensor.num_bytes for tensor in op.outputs)
        read += min(0, written - op.inputs[0].num_bytes)
    return read


def _memory(graph: Graph) -> MemoryPlan | None:
    steps = [
        Step(op.layer, _buffers(op.inputs), [*_buffers(op.outputs), *_scratch(op)])
        for op in graph.ops
    ]
    states = [tensor for tensor in graph.tensors if tensor.is_variable]
    return plan_memory(
        steps, _buffers(graph.inputs), _buffers(graph.outputs), _buffers(states)
    )


def _buffers(tensors: Sequence[Tensor | None]) -> list[Buffer]:
    return [
        Buffer(id(tensor), tensor.num_bytes)
        for tensor in tensors
        if tensor and tensor.content is None
    ]


def _scratch(op: Op) -> list[Buffer]:
    """Returns the sums that kernels of integers need while they run."""
    if op.name not in _ACCUMULATING or not op.outputs:
        return []
    size = _ACCUMULATOR_BYTES.get(op.outputs[0].dtype, 0) * op.outputs[0].size
    return [Buffer(("sums", id(op)), size)]


def _notes(graphs: Sequence[Graph]) -> tuple[str, ...]:
    names = Counter(op.name for graph in graphs for op in graph.ops)
    notes = [
        f"{count} {name} not counted: how much it computes is not in the file"
        for name, count in names.items()
        if name.partition(":")[0] in UNCOUNTED
    ]
    called = sorted(CALLING & names.keys())
    if called:
        notes.append(
            f"{', '.join(called)}: the operators of all graphs are counted once, and "
            "the memory plan is that of the main graph"
        )
    return tuple(notes)
