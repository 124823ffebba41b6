"""Roofline: whether memory or arithmetic bounds a layer on this machine.

References:
  Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for
  multicore architectures", Communications of the ACM, 2009.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from tfcompress.child import call_in_child
from tfcompress.profiling.counts import LayerProfile
from tfcompress.profiling.latency import measure_latency
from tfcompress.profiling.layer_file import LayerShape, build_layer_file

# A convolution that every kernel of the runtime computes at its best.
_LAYER, _CHANNELS = LayerShape("CONV_2D", (28, 28)), 512
_LAYER_MACS = 28 * 28 * _CHANNELS * _CHANNELS
# Beyond the caches: one thread may have those that all cores share to itself.
_LEAST_BYTES, _BYTES_A_THREAD = 64 << 20, 16 << 20
_NUM_COPIES = 10
_AS_INT8 = frozenset({"uint8", "int4", "uint4", "int2"})


class Placement(NamedTuple):
    """Where a layer lies under the roof.

    Args:
      bound: `memory` or `compute`, whichever takes longer.
      attainable_us: microseconds below which this machine cannot run it.
    """

    bound: Literal["memory", "compute"]
    attainable_us: float


@dataclass(frozen=True)
class Roofline:
    """What this machine can do at its best, as it was measured.

    Args:
      bytes_per_second: read and written, between memory and all threads together.
      macs_per_second: of LiteRT on one large convolution, by type.
      num_threads: of the copies and LiteRT's.
    """

    bytes_per_second: float
    macs_per_second: Mapping[str, float]
    num_threads: int

    @classmethod
    def measure(cls, num_threads: int = 1) -> Roofline:
        """Measures this machine, which takes about two seconds; once a process.

        Args:
          num_threads: of copies and of LiteRT, held to as many cores.

        Raises:
          ModelError: LiteRT cannot be run.
        """
        return _measure(num_threads)

    def place(self, layer: LayerProfile) -> Placement:
        """Returns where a layer lies.

        Integers of 8 bits and fewer are as int8, all else that was not measured as
        float32.
        """
        rates = self.macs_per_second
        dtype = "int8" if layer.dtype in _AS_INT8 else layer.dtype
        compute = layer.macs / rates.get(dtype, rates["float32"])
        memory = layer.accessed_bytes / self.bytes_per_second
        bound: Literal["memory", "compute"] = (
            "compute" if compute > memory else "memory"
        )
        return Placement(bound, 1e6 * max(compute, memory))

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Roofline:
        """Returns the roofline that `to_dict` wrote; other keys are passed over."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})


@cache
def _measure(num_threads: int) -> Roofline:
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("float32", "int8"):
            path = Path(folder) / f"{dtype}.tflite"
            path.write_bytes(build_layer_file(_LAYER, _CHANNELS, _CHANNELS, dtype))
            latency = measure_latency(path, num_threads, num_runs=10, seconds=0.5)
            rates[dtype] = _LAYER_MACS / (latency.p10 * 1e-3)
    name = f"{__name__}:copy_bytes_per_second"
    bandwidth = call_in_child(name, num_threads, subject="the memory's bandwidth")
    return Roofline(bandwidth, rates, num_threads)


def copy_bytes_per_second(num_threads: int) -> float:
    """Returns the bytes that threads together read and write a second, copying.

    Called in a child process, which is held to as many cores.
    """
    from tfcompress.profiling.litert_worker import pin

    pin(num_threads)
    size = max(_LEAST_BYTES // num_threads, _BYTES_A_THREAD)
    # NumPy lets go of Python's lock while it copies.
    sources = [np.ones(size, np.uint8) for _ in range(num_threads)]
    targets = [np.zeros(size, np.uint8) for _ in range(num_threads)]
    together = threading.Barrier(num_threads)

    def copy(thread: int) -> tuple[float, float]:
        together.wait()
        start = time.perf_counter()
        np.copyto(targets[thread], sources[thread])
        return start, time.perf_counter()

    times = []
    with ThreadPoolExecutor(num_threads) as pool:
        for _ in range(_NUM_COPIES):
            starts, ends = zip(*pool.map(copy, range(num_threads)), strict=True)
            times.append(max(ends) - min(starts))
    return 2 * size * num_threads / min(times)
