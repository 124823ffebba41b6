"""Robustness in a comparison: what runs have measured, and what is measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tfcompress.errors import InvalidArgumentError

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset
    from tfcompress.quality.robustness.perturbations import Perturbations
    from tfcompress.quality.robustness.result import Robustness
    from tfcompress.reporting.finished_run import FinishedRun
    from tfcompress.reporting.subjects import Subject
    from tfcompress.training.progress import Progress


def measure_robustness(
    lone: Mapping[str, Subject],
    data: Dataset | None,
    perturbations: Perturbations | None,
    progress: Progress | None = None,
) -> dict[str, Robustness]:
    """Returns that of each model beside the first, by name of its row.

    Args:
      lone: the models, by name of their row.
      data: whose test images are changed.
      perturbations: how; None measures nothing.
      progress: where to tell how far it is; None is silent.

    Raises:
      InvalidArgumentError: there is no data, or no second model.
      ModelError: a model cannot be run, or attacks are asked for and none has a
        gradient.
    """
    if perturbations is None:
        return {}
    if data is None or len(lone) < 2:
        raise InvalidArgumentError(
            f"robustness was asked of {len(lone)} model(s) "
            f"{'without' if data is None else 'with'} data; expected data and two "
            "models that are no run's, the float one first"
        )
    from tfcompress.quality.robustness.robustness import robustness

    first, *others = lone.items()
    results = {}
    for name, each in others:
        if progress is not None:
            number = min(perturbations.num_images or len(data.test), len(data.test))
            progress.message(f"trying {name} on {number:,} images that are changed")
        results[name] = robustness(
            each.model, data, first[1].model, perturbations, progress
        )
    return results


class Tried(NamedTuple):
    """What robustness measured, and which rows of a comparison it is of.

    Args:
      name: of the row of the model.
      baseline: of the row of the model beside it. That of a run is the Keras model
        that its baseline file was made from.
      result: of both.
    """

    name: str
    baseline: str
    result: Robustness


def all_tried(
    runs: Sequence[FinishedRun], lone: Sequence[str], results: Mapping[str, Robustness]
) -> list[Tried]:
    """Returns what the runs measured of themselves, then what was measured here.

    Args:
      runs: of the comparison.
      lone: names of the rows that are no run's, the baseline first.
      results: of the others of these, by name.
    """
    tried = []
    for run in runs:
        artifact, baseline = (row.name for row in run.rows())
        if (found := run.robustness()) is not None:
            named = replace(found, model=artifact)
            tried.append(Tried(artifact, baseline, named))
    here = [Tried(name, lone[0], result) for name, result in results.items()]
    return [*tried, *here]


def robustness_columns(tried: Sequence[Tried]) -> dict[str, dict[str, float | None]]:
    """Returns top-1 by perturbation and strength, such as `blur_3`, by name of row."""
    columns: dict[str, dict[str, float | None]] = {}
    for name, baseline, result in tried:
        for row in result.rows:
            column = f"{row.perturbation}_{row.strength}"
            columns.setdefault(baseline, {})[column] = row.baseline_top1
            columns.setdefault(name, {})[column] = row.top1
    return columns


def different_images(tried: Sequence[Tried]) -> list[str]:
    """Returns a sentence if robustness is of different images, or of other draws."""
    images = {(each.result.num_images, each.result.seed): None for each in tried}
    if len(images) < 2:
        return []
    texts = [f"{number:,} images of seed {seed}" for number, seed in images]
    return [f"Robustness is not of the same changed images: {', '.join(texts)}."]


def robustness_text(result: Robustness, name: str) -> str:
    """Returns a sentence on a model beside its baseline.

    Args:
      result: of both.
      name: what the model is called.
    """
    text = f"Top-1 on {result.num_images:,} test images that were changed, {name} "
    text += "beside baseline"
    means = result.mean_corruption_accuracy, result.baseline_mean_corruption_accuracy
    if None not in means:
        text += "; mean over corruptions {:.2%} beside {:.2%}".format(*means)
    return f"{text}."
