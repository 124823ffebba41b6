"""Timing what is compared: all files in alternation, those that run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfcompress.errors import ModelError
from tfcompress.profiling.latency import measure_latency
from tfcompress.profiling.rounds import Median, measure_in_rounds
from tfcompress.reporting.figures import Row

if TYPE_CHECKING:
    from tfcompress.training.progress import Progress

_SECONDS_A_FILE = 10.0
_MEASURED = (
    "Latency was measured here, of all .tflite files in alternating blocks, on {n} "
    "thread(s): the median of {time.num_rounds} rounds, each the tenth percentile of a "
    "process of its own; in brackets its {time.confidence:.0%} interval."
)
_FROM_RUNS = (
    "Latency is the median that each run measured when it ended, on the machine that "
    "its environment names; of files outside of runs it is not known."
)


def timed(
    rows: Sequence[Row],
    files: Mapping[str, Path],
    latency: bool,
    num_threads: int,
    progress: Progress | None = None,
) -> tuple[list[Row], list[str]]:
    """Returns the rows with the latency of their files, and how that was measured.

    Args:
      rows: of all that is compared.
      files: paths of .tflite files by the names of their rows.
      latency: whether they are timed; if not, rows stay as they are.
      num_threads: LiteRT's.
      progress: where to tell what takes long; None is silent.
    """
    if not files:
        return list(rows), []
    if not latency:
        return list(rows), [_FROM_RUNS]
    if progress is not None:
        progress.message(f"timing {len(files)} file(s) in alternating blocks")
    failures: list[str] = []
    try:
        found = _in_rounds(files, num_threads)
    except ModelError:
        files, failures = _runnable(files, num_threads)
        found = _in_rounds(files, num_threads)
    notes = failures
    if found:
        first = next(iter(found.values()))
        notes = [_MEASURED.format(time=first, n=num_threads), *failures]
    return [_with_time(row, found.get(row.name)) for row in rows], notes


def _in_rounds(files: Mapping[str, Path], num_threads: int) -> dict[str, Median]:
    if not files:
        return {}
    seconds = _SECONDS_A_FILE * len(files)
    times = measure_in_rounds([*files.values()], num_threads, max_seconds=seconds)
    return dict(zip(files, times, strict=True))


def _with_time(row: Row, time: Median | None) -> Row:
    if time is None:
        return replace(row, figures={**row.figures, "latency_ms": None})
    figures = {**row.figures, "latency_ms": time.median}
    return replace(row, figures=figures, latency_interval=(time.low, time.high))


def _runnable(
    files: Mapping[str, Path], num_threads: int
) -> tuple[dict[str, Path], list[str]]:
    """Returns the files that run, and a sentence on each other one."""
    runnable, failures = {}, []
    for name, path in files.items():
        try:
            measure_latency(path, num_threads, num_runs=1, seconds=0)
            runnable[name] = path
        except ModelError as error:
            failures.append(f"Not timed: {error}.")
    return runnable, failures
