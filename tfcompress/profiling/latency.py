"""Latency of .tflite files: percentiles of one, and several against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling.litert import LITERT, Engine
from tfcompress.profiling.rounds import NUM_ROUNDS, median_of, rounds

_MAX_SECONDS = 10.0


@dataclass(frozen=True)
class Latency:
    """Time that a run takes.

    Args:
      p10: milliseconds that a tenth of the runs stay below: what the file costs where
        nothing else disturbs.
      p50: median, in milliseconds.
      p90: milliseconds that nine tenths stay below.
      mean: in milliseconds.
      num_runs: runs measured, after warming up.
      num_threads: the engine's.
      batch_size: examples in a run; 1 where the file admits no other.
      num_warm_up_runs: runs before, which are not counted.
      cores: the process was held to; None where the system does not let it be.
    """

    p10: float
    p50: float
    p90: float
    mean: float
    num_runs: int
    num_threads: int
    batch_size: int = 1
    num_warm_up_runs: int = 0
    cores: tuple[int, ...] | None = None

    @property
    def examples_per_second(self) -> float:
        """Throughput at the median."""
        return 1000 * self.batch_size / self.p50

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields and the throughput as JSON values."""
        cores = None if self.cores is None else list(self.cores)
        throughput = self.examples_per_second
        return {**asdict(self), "cores": cores, "examples_per_second": throughput}


@dataclass(frozen=True)
class LatencyRatio:
    """How many times longer one file takes than another.

    Args:
      ratio: the median over rounds of pairs.
      low: end of the confidence interval.
      high: its other end.
      confidence: that the median of all such rounds, on this machine at this time, lies
        between them; 0.95 or more, unless time was too short for that.
      num_rounds: each in a process of its own.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    num_rounds: int


def measure_latency(
    path: str | Path,
    num_threads: int = 1,
    *,
    batch_size: int = 1,
    num_runs: int = 300,
    seconds: float = 1.0,
    engine: Engine = LITERT,
) -> Latency:
    """Times a .tflite file on random values, in a pinned process of its own.

    Each run is timed: 300, and as many more as a second has room for. Of a slow file
    they are what ten seconds have room for, and never below ten.

    Args:
      path: the file.
      num_threads: the engine's, and the number of cores the process is held to.
      batch_size: examples in a run.
      num_runs: measured runs, at least.
      seconds: that they take, at least.
      engine: what runs it.

    Raises:
      ModelError: the file cannot be run.

    Example:
      >>> measure_latency("model.tflite").p10
    """
    reply = engine.measure(
        "latency",
        [path],
        num_threads=num_threads,
        batch_size=batch_size,
        num_runs=num_runs,
        seconds=seconds,
        max_seconds=_MAX_SECONDS,
    )
    milliseconds = np.array(reply["samples"]) / 1e6
    p10, p50, p90 = (float(x) for x in np.percentile(milliseconds, (10, 50, 90)))
    return Latency(
        *(p10, p50, p90, float(milliseconds.mean())),
        num_runs=len(milliseconds),
        num_threads=num_threads,
        batch_size=reply["batch_size"],
        num_warm_up_runs=reply["num_warm_up_runs"],
        cores=None if reply["cores"] is None else tuple(reply["cores"]),
    )


def latency_ratio(
    path_a: str | Path,
    path_b: str | Path,
    num_threads: int = 1,
    *,
    precision: float = 0.01,
    max_seconds: float = 60.0,
) -> LatencyRatio:
    """Returns how many times longer the first file takes than the second.

    In a round both run in alternating blocks of about 1 ms in random order, and their
    tenth percentiles are compared, since what disturbs a machine only adds time. Each
    round has a new process, as where a process has its memory makes a difference of its
    own. Nine rounds are made at least, and more until the ratio is known well enough;
    `tests/benchmarks/latency_trust.py` tells how far it moves.

    Args:
      path_a: the file in the numerator, such as the float32 baseline.
      path_b: the file in the denominator, such as the int8 artifact.
      num_threads: LiteRT's, and the number of cores the process is held to.
      precision: half the width of the confidence interval, relative to the ratio, at
        which no more rounds are begun; above 0.
      max_seconds: after which no more are begun, once there are two.

    Returns:
      The median of the rounds' ratios, with the interval of the sign test.

    Raises:
      InvalidArgumentError: `precision` is not above 0.
      ModelError: a file cannot be run.

    Example:
      >>> tfc.latency_ratio("baseline.tflite", "model.tflite").ratio
    """
    if not precision > 0:
        raise InvalidArgumentError(
            f"precision is {precision}; expected a share above 0, such as 0.01"
        )
    ratios: list[float] = []
    for time_a, time_b in rounds((path_a, path_b), num_threads, max_seconds):
        ratios.append(time_a / time_b)
        found = LatencyRatio(*median_of(ratios))
        is_known = found.high - found.low <= 2 * precision * found.ratio
        if is_known and found.num_rounds >= NUM_ROUNDS:
            break
    return found


def measure_together(
    paths: Sequence[str | Path],
    num_threads: int = 1,
    *,
    num_blocks: int = 250,
    max_seconds: float = _MAX_SECONDS,
) -> list[float]:
    """Times .tflite files against each other, in alternating blocks of about 1 ms.

    Args:
      paths: the files.
      num_threads: LiteRT's, and the number of cores the process is held to.
      num_blocks: of each file, at most.
      max_seconds: after which no more are begun, once there are ten.

    Returns:
      Milliseconds that a run of each file takes: the tenth percentile of the blocks.

    Raises:
      ModelError: a file cannot be run.
    """
    samples = LITERT.measure(
        "alternate",
        paths,
        num_threads=num_threads,
        num_runs=num_blocks,
        max_seconds=max_seconds,
    )
    return [float(np.percentile(times, 10)) / 1e6 for times in samples]
