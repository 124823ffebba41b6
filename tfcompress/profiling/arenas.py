"""Memory that runtimes really allocate for the tensors of a .tflite file."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfcompress.child import Limits, call_in_child
from tfcompress.errors import ModelError
from tfcompress.profiling.stored_values import micro_arena

_LARGEST_GAP = 4096  # between tensors of one arena
_LIMITS = Limits(memory_bytes=8 << 30, cpu_seconds=300, wall_seconds=300)


@dataclass(frozen=True)
class Arena:
    """What one runtime took.

    Args:
      runtime: `LiteRT`, which is without its XNNPACK delegate, whose memory cannot be
        seen; or `TensorFlow Lite Micro`.
      tensor_bytes: for activations, to be compared with `MemoryPlan.peak_bytes`, and
        what kernels need on the way: LiteRT's unfold some convolutions (im2col), and
        some operators of its work in place.
      persistent_bytes: for bookkeeping that stays, on this machine with pointers of 64
        bits; None where it cannot be told.
    """

    runtime: str
    tensor_bytes: int
    persistent_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)


def measure_arenas(path: str | Path) -> tuple[tuple[Arena, ...], tuple[str, ...]]:
    """Asks the runtimes that are installed what memory a file takes.

    Returns:
      The arenas, and a line for each runtime that could not be asked.
    """
    arenas, missing = [], []
    try:
        name = f"{__name__}:litert_tensor_bytes"
        found = call_in_child(name, str(path), subject=str(path), limits=_LIMITS)
        arenas.append(Arena("LiteRT", int(found)))
    except ModelError as error:
        missing.append(f"LiteRT's arena is not known: {error}")
    if importlib.util.find_spec("tflite_micro") is None:
        missing.append(
            "TensorFlow Lite Micro's arena is not known: pip install "
            "'tfcompress[micro]' measures it"
        )
    else:
        try:
            tensor_bytes, persistent_bytes = micro_arena(path)
            arenas.append(
                Arena("TensorFlow Lite Micro", tensor_bytes, persistent_bytes)
            )
        except ModelError as error:
            missing.append(f"TensorFlow Lite Micro's arena is not known: {error}")
    return tuple(arenas), tuple(missing)


def litert_tensor_bytes(path: str) -> int:
    """Returns the bytes that LiteRT's computed tensors span; called in a child process.

    The interpreter does not say how large its arenas are, but where each tensor lies.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from tfcompress.profiling.engine_errors import cannot_run
    from tfcompress.profiling.tflite_graph import read_tflite

    tensors = enumerate(read_tflite(path)[0].tensors)
    constants = {index for index, tensor in tensors if tensor.content is not None}
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = Interpreter(path, experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()
        raise cannot_run("LiteRT", [path], said) from error
    spans = []
    for entry in interpreter.get_tensor_details():
        # Tensors whose size the values decide have no place yet.
        with suppress(RuntimeError, ValueError):
            if entry["index"] not in constants:
                array = interpreter.tensor(entry["index"])()
                start = array.__array_interface__["data"][0]
                spans.append((start, start + array.nbytes))
    return _covered(spans)


def _covered(spans: Iterable[tuple[int, int]]) -> int:
    """Returns the bytes of the blocks that spans form, small gaps included."""
    covered, block_start, block_end = 0, 0, 0
    for start, end in sorted(spans):
        if start - block_end > _LARGEST_GAP:
            covered += block_end - block_start
            block_start = start
        block_end = max(block_end, end)
    return covered + block_end - block_start
