"""HParams: the settings and results of a run, for TensorBoard's table of runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api as hp

from tfcompress.reporting.report import Report
from tfcompress.training.checkpoints import writing_to


def write_hparams(folder: Path, settings: Mapping[str, Any], report: Report) -> None:
    """Writes what `tensorboard --logdir runs` compares runs by, under HParams.

    Args:
      folder: for the event file, of its own; what is there is replaced.
      settings: JSON values, such as `Recipe.to_dict` gives; each number and text in
        them is a column by its dotted path, such as `stages.0.epochs`.
      report: of the run; its results are columns too.

    Raises:
      WorkdirError: the file cannot be written.
    """
    with writing_to(folder):
        shutil.rmtree(folder, ignore_errors=True)
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default(step=0):
            trial = f"{report.recipe['digest'][:16]}_{report.recipe['seed']}"
            hp.hparams(dict(_flat(settings)), trial_id=trial)
            for name, value in _results(report).items():
                tf.summary.scalar(name, value)
        writer.close()


def _results(report: Report) -> dict[str, float]:
    artifact, comparison = report.artifact, report.comparison
    return {
        "result/top1": artifact["top1"],
        "result/top1_drop": comparison["top1_drop"],
        "result/size_bytes": artifact["size_bytes"],
        "result/gzip_bytes": artifact["gzip_bytes"],
        "result/macs": artifact["macs"],
        "result/latency_ratio": comparison["latency_ratio"],
    }


def _flat(values: Any, path: str = "") -> Iterator[tuple[str, bool | float | str]]:
    """Yields the numbers and texts in nested JSON values by their dotted paths."""
    if isinstance(values, bool | int | float | str):
        yield path, values
        return
    items: Any = ()
    if isinstance(values, Mapping):
        items = values.items()
    elif isinstance(values, list | tuple):
        items = enumerate(values)
    for key, value in items:
        yield from _flat(value, f"{path}.{key}" if path else str(key))
