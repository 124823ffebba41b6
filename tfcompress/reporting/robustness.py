"""Robustness of the models of a comparison that are no run's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfcompress.errors import InvalidArgumentError

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset
    from tfcompress.quality.robustness.perturbations import Perturbations
    from tfcompress.quality.robustness.result import Robustness
    from tfcompress.reporting.subjects import Subject


def measure_robustness(
    lone: Mapping[str, Subject],
    data: Dataset | None,
    perturbations: Perturbations | None,
) -> dict[str, Robustness]:
    """Returns that of each model beside the first, by name of its row.

    Args:
      lone: the models, by name of their row.
      data: whose test images are changed.
      perturbations: how; None measures nothing.

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

    first, *others = lone.values()
    return {
        each.rows[0].name: robustness(each.model, data, first.model, perturbations)
        for each in others
    }


def robustness_columns(
    results: Mapping[str, Robustness], baseline: str
) -> dict[str, dict[str, float | None]]:
    """Returns top-1 by perturbation and strength, such as `blur_3`, by name of row.

    Args:
      results: by name of the row of the model.
      baseline: name of the row that all were compared with.
    """
    columns: dict[str, dict[str, float | None]] = {}
    for name, result in results.items():
        for row in result.rows:
            column = f"{row.perturbation}_{row.strength}"
            columns.setdefault(baseline, {})[column] = row.baseline_top1
            columns.setdefault(name, {})[column] = row.top1
    return columns
