"""Time of each operator as LiteRT runs it, by the profiler of its C interface.

Its Python interface has none. The operators are those of the runtime after its own
rewriting, so they are not one to one those of the file.
"""

from __future__ import annotations

import ctypes
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.child import Limits, call_in_child
from tfcompress.errors import ModelError

_LIMITS = Limits(memory_bytes=8 << 30, cpu_seconds=300, wall_seconds=300)
_NUM_BLOCKS = 20
_BLOCK_NS = 20_000_000
_ROW = re.compile(r"^\s*(?P<name>\S.*?)\s+\S+\s+\S+\s+(?P<mean_ms>[\d.]+)\s+[\d.]+%\s")
_CPU = 1  # kLiteRtHwAcceleratorCpu
_TENSOR_TYPE_BYTES = 1024  # more than LiteRtRankedTensorType has in any version
_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@dataclass(frozen=True)
class RuntimeOp:
    """One operator as the runtime ran it.

    Args:
      name: the runtime's, such as `Delegate/Convolution (NHWC, QC8) IGEMM`.
      microseconds: of a run; the tenth percentile of the means of short blocks.
    """

    name: str
    microseconds: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)


def measure_runtime_ops(
    path: str | Path, num_threads: int = 1
) -> tuple[RuntimeOp, ...]:
    """Times a .tflite file operator by operator, in order of execution.

    Args:
      path: the file.
      num_threads: LiteRT's, and the number of cores the process is held to.

    Raises:
      ModelError: this version of LiteRT does not tell, or cannot run the file.
    """
    name = f"{__name__}:profile_blocks"
    arguments = (str(path), num_threads)
    blocks = call_in_child(name, *arguments, subject=str(path), limits=_LIMITS)
    times = defaultdict(list)
    for place, (op, mean_ms) in ((i, op) for ops in blocks for i, op in enumerate(ops)):
        times[place, op].append(1000 * mean_ms)
    return tuple(
        RuntimeOp(op, float(np.percentile(found, 10)))
        for (_, op), found in sorted(times.items())
    )


def profile_blocks(path: str, num_threads: int) -> list[list[tuple[str, float]]]:
    """Returns name and mean milliseconds of each operator, for several blocks of runs.

    Called in a child process.
    """
    from tfcompress.profiling.litert_worker import pin, time_runs

    pin(num_threads)
    try:
        model = _CompiledModel(path, num_threads)
    except ModelError as error:
        if not (shape := _open_shape(path)):
            raise
        raise ModelError(
            f"LiteRT's profiler takes no file whose input has an open size, as "
            f"{shape} here; convert the model with all sizes fixed, the batch too: "
            "keras.Input(shape, batch_size=1)"
        ) from error
    model.run()
    # Under the profiler, which takes 20 times as long as the run of a tiny network.
    model.call("LiteRtStartProfiler", model.profiler)
    fastest = min(time_runs(model.run, 1) for _ in range(3))
    num_runs = max(1, int(_BLOCK_NS / fastest))
    model.call("LiteRtStopProfiler", model.profiler)
    blocks = []
    for _ in range(_NUM_BLOCKS):
        model.call("LiteRtResetProfiler", model.profiler)
        model.call("LiteRtStartProfiler", model.profiler)
        for _ in range(num_runs):
            model.run()
        model.call("LiteRtStopProfiler", model.profiler)
        blocks.append(parse_summary(model.summary()))
    return blocks


def parse_summary(text: str) -> list[tuple[str, float]]:
    """Returns name and mean milliseconds of each operator, in order of execution."""
    _, _, table = text.partition("Run Order")
    table, _, _ = table.partition("Top by Computation Time")
    rows = (_ROW.match(line) for line in table.splitlines())
    return [(row["name"], float(row["mean_ms"])) for row in rows if row]


def _open_shape(path: str) -> str | None:
    """Returns the first input's shape that has sizes left open, if there is one."""
    from ai_edge_litert.interpreter import Interpreter

    for port in Interpreter(path).get_input_details():
        sides = [int(side) for side in port["shape_signature"]]
        if min(sides, default=0) < 0:
            return "x".join("?" if side < 0 else str(side) for side in sides)
    return None


class _CompiledModel:
    """A file that runs under the profiler of LiteRT's C interface.

    What is created lives until the process ends.
    """

    def __init__(self, path: str, num_threads: int) -> None:
        import ai_edge_litert

        self._kept: list[Any] = []
        folder = Path(ai_edge_litert.__file__).parent
        self._library = ctypes.CDLL(str(folder / "libLiteRt.so"))
        self._environment = self._create("LiteRtCreateEnvironment", 0, None)
        self._model = self._create(
            "LiteRtCreateModelFromFile", self._environment, path.encode()
        )
        options = self._create("LiteRtCreateOptions")
        self.call("LiteRtSetOptionsHardwareAccelerators", options, _CPU)
        self._set(options, "runtime_options_string", "enable_profiling = true\n")
        self._set(options, "xnnpack", f"num_threads = {num_threads}\n")
        self._compiled = self._create(
            "LiteRtCreateCompiledModel", self._environment, self._model, options
        )
        self.profiler = self._create("LiteRtCompiledModelGetProfiler", self._compiled)
        self._inputs, self._outputs = self._buffers("Input"), self._buffers("Output")

    def run(self) -> None:
        """Runs the file once, on inputs of zeros."""
        self.call(
            "LiteRtRunCompiledModel",
            *(self._compiled, ctypes.c_size_t(0)),
            *(ctypes.c_size_t(len(self._inputs)), self._inputs),
            *(ctypes.c_size_t(len(self._outputs)), self._outputs),
        )

    def summary(self) -> str:
        """Returns the profiler's tables of all runs since its start."""
        text = ctypes.c_char_p()
        arguments = (self.profiler, self._compiled, ctypes.byref(text))
        self.call("LiteRtGetProfileSummary", *arguments)
        return (text.value or b"").decode(errors="replace")

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function of the library, which returns a status."""
        function = getattr(self._library, name, None)
        if function is None:
            raise ModelError(f"this version of LiteRT has no {name}")
        status = function(*arguments)
        if status:
            raise ModelError(f"LiteRT's {name} failed with status {status}")

    def _create(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        return handle

    def _set(self, options: ctypes.c_void_p, kind: str, text: str) -> None:
        payload = ctypes.create_string_buffer(text.encode())
        release = _RELEASE(lambda _: None)
        # The library keeps pointers to both.
        self._kept += [payload, release]
        opaque = self._create(
            "LiteRtCreateOpaqueOptions",
            *(kind.encode(), ctypes.cast(payload, ctypes.c_void_p), release),
        )
        self.call("LiteRtAddOpaqueOptions", options, opaque)

    def _buffers(self, side: str) -> Any:
        signature = self._create(
            "LiteRtGetModelSignature", self._model, ctypes.c_size_t(0)
        )
        count = ctypes.c_size_t()
        self.call(f"LiteRtGetNumSignature{side}s", signature, ctypes.byref(count))
        buffers = (ctypes.c_void_p * count.value)()
        for place in range(count.value):
            index = ctypes.c_size_t(place)
            tensor = self._create(
                f"LiteRtGetSignature{side}TensorByIndex", signature, index
            )
            kind = ctypes.create_string_buffer(_TENSOR_TYPE_BYTES)
            self.call("LiteRtGetRankedTensorType", tensor, kind)
            needed = self._create(
                f"LiteRtGetCompiledModel{side}BufferRequirements",
                *(self._compiled, ctypes.c_size_t(0), index),
            )
            buffers[place] = self._create(
                "LiteRtCreateManagedTensorBufferFromRequirements",
                *(self._environment, kind, needed),
            )
        return buffers
