"""Latency of .tflite files: percentiles of one, and several against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tfcompress.profiling.litert import sample_times


@dataclass(frozen=True)
class Latency:
    """Time that LiteRT takes for one image.

    Args:
      p10: milliseconds that a tenth of the runs stay below: what the file costs where
        nothing else disturbs.
      p50: median, in milliseconds.
      p90: milliseconds that nine tenths stay below.
      num_runs: runs measured, after warming up.
      num_threads: LiteRT's.
    """

    p10: float
    p50: float
    p90: float
    num_runs: int
    num_threads: int

    def to_dict(self) -> dict[str, float]:
        """Returns the fields as JSON values."""
        return asdict(self)


def measure_latency(
    path: str | Path,
    num_threads: int = 1,
    *,
    num_runs: int = 300,
    seconds: float = 3.0,
) -> Latency:
    """Times a .tflite file on one random image, in a pinned process of its own.

    Args:
      path: the file.
      num_threads: LiteRT's, and the number of cores the process is held to.
      num_runs: measured runs, at most.
      seconds: after which no more are begun, once there are ten.

    Raises:
      ModelError: the file cannot be run.

    Example:
      >>> measure_latency("model.tflite").p10
    """
    samples = sample_times(
        "latency", [path], num_threads=num_threads, num_runs=num_runs, seconds=seconds
    )
    p10, p50, p90 = (
        float(value) / 1e6 for value in np.percentile(samples, (10, 50, 90))
    )
    return Latency(p10, p50, p90, len(samples), num_threads)


def latency_ratio(
    path_a: str | Path,
    path_b: str | Path,
    num_threads: int = 1,
    *,
    num_pairs: int = 250,
    seconds: float = 10.0,
) -> float:
    """Returns how many times longer the first file takes than the second.

    Both run in alternating blocks of about 1 ms in random order, and the tenth
    percentiles are compared: on a busy machine means and medians move by half, this
    ratio by about one percent.

    Args:
      path_a: the file in the numerator, such as the float32 baseline.
      path_b: the file in the denominator, such as the int8 artifact.
      num_threads: LiteRT's, and the number of cores the process is held to.
      num_pairs: pairs of blocks, at most.
      seconds: after which no more are begun, once there are ten.

    Raises:
      ModelError: a file cannot be run.
    """
    time_a, time_b = measure_together(
        [path_a, path_b], num_threads, num_blocks=num_pairs, seconds=seconds
    )
    return time_a / time_b


def measure_together(
    paths: Sequence[str | Path],
    num_threads: int = 1,
    *,
    num_blocks: int = 250,
    seconds: float = 10.0,
) -> list[float]:
    """Times .tflite files against each other, in alternating blocks of about 1 ms.

    Args:
      paths: the files.
      num_threads: LiteRT's, and the number of cores the process is held to.
      num_blocks: of each file, at most.
      seconds: after which no more are begun, once there are ten.

    Returns:
      Milliseconds that a run of each file takes: the tenth percentile of the blocks.

    Raises:
      ModelError: a file cannot be run.
    """
    samples = sample_times(
        "alternate",
        paths,
        num_threads=num_threads,
        num_runs=num_blocks,
        seconds=seconds,
    )
    return [float(np.percentile(times, 10)) / 1e6 for times in samples]
