"""Timing what is compared: all files in alternation, those that run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfcompress.errors import ModelError
from tfcompress.profiling.latency import measure_latency, measure_together
from tfcompress.reporting.figures import Row

if TYPE_CHECKING:
    from tfcompress.training.progress import Progress

_NOTES = {
    True: "Latency was measured here, of all .tflite files in alternating blocks, on "
    "{num_threads} thread(s): the tenth percentile.",
    False: "Latency is the median that each run measured when it ended, on the machine "
    "that its environment names; of files outside of runs it is not known.",
}


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
    notes = [_NOTES[latency].format(num_threads=num_threads)]
    if not latency:
        return list(rows), notes
    if progress is not None:
        progress.message(f"timing {len(files)} file(s) in alternating blocks")
    try:
        times = measure_together(list(files.values()), num_threads)
    except ModelError:
        files, failures = _runnable(files, num_threads)
        notes += failures
        times = measure_together(list(files.values()), num_threads) if files else []
    found = dict(zip(files, times, strict=True))
    return [
        replace(row, figures={**row.figures, "latency_ms": found.get(row.name)})
        for row in rows
    ], notes


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
