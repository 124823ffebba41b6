"""Timing .tflite files against each other in rounds, each in a process of its own.

In a round all run in alternating blocks of about 1 ms in random order, and their tenth
percentiles are taken, since what disturbs a machine only adds time. Each round has a
new process, as where a process has its memory makes a difference of its own.

References:
  Conover, "Practical Nonparametric Statistics", 1999, section 3.2 (the interval of a
  quantile by order statistics).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tfcompress.profiling.litert import LITERT

NUM_ROUNDS = 9  # their interval is one of 96 %
_CONFIDENCE = 0.95
_BLOCKS_A_ROUND, _SECONDS_A_ROUND = 100, 1.0


class Median(NamedTuple):
    """A figure that was measured in rounds, with the interval of the sign test.

    Args:
      median: over the rounds.
      low: end of the confidence interval.
      high: its other end.
      confidence: that the median of all such rounds, on this machine at this time, lies
        between them; 0.95 or more, unless rounds were too few for that.
      num_rounds: that were made.
    """

    median: float
    low: float
    high: float
    confidence: float
    num_rounds: int


def rounds(
    paths: Sequence[str | Path], num_threads: int, max_seconds: float
) -> Iterator[npt.NDArray[np.float64]]:
    """Yields the nanoseconds that a run of each file takes, a round at a time.

    Args:
      paths: the files.
      num_threads: LiteRT's, and the number of cores the processes are held to.
      max_seconds: after which no more rounds are begun, once there are two.

    Yields:
      An array of shape `(num_files,)`.

    Raises:
      ModelError: a file cannot be run.
    """
    end = time.monotonic() + max_seconds
    for turn in itertools.count():
        # What is opened first may have the better place, so they take turns.
        first = turn % len(paths)
        samples = LITERT.measure(
            "alternate",
            [*paths[first:], *paths[:first]],
            num_threads=num_threads,
            num_runs=_BLOCKS_A_ROUND,
            max_seconds=_SECONDS_A_ROUND,
            seed=turn,
        )
        yield np.roll(np.percentile(samples, 10, axis=1), first)
        if turn > 0 and time.monotonic() >= end:
            return


def median_of(values: Sequence[float]) -> Median:
    """Returns the median of rounds, and its interval of 95 %, or of what they allow."""
    ordered, num = sorted(map(float, values)), len(values)
    # The chance that the median lies outside of the k-th smallest and the k-th largest
    # is that of fewer than k heads, or of fewer than k tails.
    tails = np.cumsum([math.comb(num, heads) / 2**num for heads in range(num // 2)])
    place = max(0, int(np.sum(tails <= (1 - _CONFIDENCE) / 2)) - 1)
    outside = 2 * float(tails[place]) if num > 1 else 1.0
    return Median(
        float(np.median(ordered)),
        ordered[place],
        ordered[num - 1 - place],
        confidence=1 - outside,
        num_rounds=num,
    )


def measure_in_rounds(
    paths: Sequence[str | Path], num_threads: int = 1, *, max_seconds: float
) -> list[Median]:
    """Times .tflite files against each other, each with a confidence interval.

    Args:
      paths: the files, one at least.
      num_threads: LiteRT's, and the number of cores the processes are held to.
      max_seconds: after which no more rounds are begun, once there are two; nine at
        most are made.

    Returns:
      Milliseconds that a run of each file takes.

    Raises:
      ModelError: a file cannot be run.
    """
    made = itertools.islice(rounds(paths, num_threads, max_seconds), NUM_ROUNDS)
    return [median_of(times) for times in np.transpose(list(made)) / 1e6]
