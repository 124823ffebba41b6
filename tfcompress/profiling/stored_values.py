"""Runs .tflite files on values as the file stores them, such as int8.

With the kernels of LiteRT that define what an operator gives, which those of firmware
follow, or with TensorFlow Lite Micro itself. Always in a child process: a damaged file
can crash either.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.child import Limits, call_in_child
from tfcompress.profiling.engine_errors import cannot_run

_LIMITS = Limits(memory_bytes=4 << 30, cpu_seconds=600, wall_seconds=600)
# More than any microcontroller has; what is not used costs nothing.
_ARENA_BYTES = 256 << 20
_MICRO = "TensorFlow Lite Micro"


def reference_outputs(
    path: str | Path, inputs: npt.NDArray[Any]
) -> list[npt.NDArray[Any]]:
    """Returns the output for each input, by LiteRT's reference kernels.

    Args:
      path: a .tflite file of one input and one output.
      inputs: of the file's own type and shape, one after the other:
        `(num_inputs, batch, height, width, channels)`.

    Raises:
      ModelError: LiteRT cannot run the file.
    """
    reply = _call("run_reference", path, inputs)
    return [np.array(values, reply["dtype"]) for values in reply["outputs"]]


def micro_outputs(
    path: str | Path, inputs: npt.NDArray[Any]
) -> tuple[list[npt.NDArray[Any]], int]:
    """Returns the same by TensorFlow Lite Micro, and the bytes of arena it took.

    Raises:
      ModelError: it cannot run the file.
    """
    reply = _call("run_micro", path, inputs)
    outputs = [np.array(values, reply["dtype"]) for values in reply["outputs"]]
    return outputs, int(reply["arena_bytes"])


def micro_arena(path: str | Path) -> tuple[int, int]:
    """Returns the bytes of TensorFlow Lite Micro's arena.

    Args:
      path: a .tflite file.

    Returns:
      Bytes for tensors and the scratch memory of kernels, which are planned to overlap,
      and bytes of bookkeeping that persists.

    Raises:
      ModelError: it cannot run the file.
    """
    name = f"{__name__}:run_micro_arena"
    sizes = call_in_child(name, str(path), subject=str(path), limits=_LIMITS)
    return int(sizes["head"]), int(sizes["tail"])


def _call(function: str, path: str | Path, inputs: npt.NDArray[Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        inputs_file = Path(folder) / "inputs.npy"
        np.save(inputs_file, inputs)
        arguments = (str(path), str(inputs_file))
        name = f"{__name__}:{function}"
        return call_in_child(name, *arguments, subject=str(path), limits=_LIMITS)


def run_reference(path: str, inputs_file: str) -> dict[str, Any]:
    """Does the work of `reference_outputs`, in the child."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(
            path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
        )
        interpreter.allocate_tensors()
        taken = interpreter.get_input_details()[0]["index"]
        given = interpreter.get_output_details()[0]["index"]
        outputs = []
        for values in np.load(inputs_file):
            interpreter.set_tensor(taken, values)
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(given))
    except (RuntimeError, ValueError) as error:
        raise cannot_run("LiteRT", [path], _lines(error)) from error
    return _reply(outputs)


def run_micro(path: str, inputs_file: str) -> dict[str, Any]:
    """Does the work of `micro_outputs`, in the child."""
    interpreter = _micro_interpreter(path)
    try:
        outputs = []
        for values in np.load(inputs_file):
            interpreter.set_input(values, 0)
            interpreter.invoke()
            outputs.append(interpreter.get_output(0))
    except (RuntimeError, ValueError) as error:
        raise cannot_run(_MICRO, [path], _lines(error)) from error
    return {**_reply(outputs), "arena_bytes": _printed_arena(interpreter)["total"]}


def run_micro_arena(path: str) -> dict[str, int]:
    """Does the work of `micro_arena`, in the child."""
    return _printed_arena(_micro_interpreter(path))


def _micro_interpreter(path: str) -> Any:
    from tflite_micro.python.tflite_micro import runtime

    try:
        # What it raises does not say why; what it prints does.
        with _printed() as printed:
            return runtime.Interpreter.from_file(path, arena_size=_ARENA_BYTES)
    except (RuntimeError, ValueError) as error:
        said = [*filter(None, map(str.strip, printed)), *_lines(error)]
        raise cannot_run(_MICRO, [path], said) from error


def _printed_arena(interpreter: Any) -> dict[str, int]:
    """Reads the sizes of the arena where the interpreter prints them."""
    with _printed() as printed:
        interpreter.print_allocations()
    text = "\n".join(printed)
    found = re.findall(r"Arena allocation (total|head|tail) (\d+) bytes", text)
    sizes = {part: int(size) for part, size in found}
    if len(sizes) != 3:
        raise RuntimeError("TensorFlow Lite Micro did not print its arena's size")
    return sizes


@contextmanager
def _printed() -> Iterator[list[str]]:
    """Yields a list that, when the block is left, has the lines native code printed."""
    lines: list[str] = []
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            file.seek(0)
            lines += file.read().decode(errors="replace").splitlines()


def _lines(error: Exception) -> list[str]:
    return str(error).strip().splitlines() or [type(error).__name__]


def _reply(outputs: list[npt.NDArray[Any]]) -> dict[str, Any]:
    return {
        "dtype": outputs[0].dtype.name,
        "outputs": [values.tolist() for values in outputs],
    }
