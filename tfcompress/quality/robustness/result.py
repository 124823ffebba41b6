"""What robustness measured: accuracy by perturbation and strength, as JSON and text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from tfcompress.profiling.profile import visible_text

_NAME_WIDTH = 16
_CELL_WIDTH = 14


@dataclass(frozen=True)
class RobustnessRow:
    """Accuracy under one perturbation at one strength.

    Args:
      perturbation: name of a corruption or attack.
      strength: 1 to 5.
      amount: what the formula of the perturbation takes at that strength.
      is_attack: whether a gradient chose the change.
      top1: accuracy of the model, in [0, 1].
      baseline_top1: accuracy of the baseline on the same images; None without one.
    """

    perturbation: str
    strength: int
    amount: float
    is_attack: bool
    top1: float
    baseline_top1: float | None


@dataclass(frozen=True)
class Robustness:
    """How much accuracy a model keeps when images change.

    Args:
      model: its name, or the path of its file.
      baseline: the same of the model beside it; None without one.
      attacked: the model whose gradient attacks follow; None without attacks.
      num_images: of the test split, on which accuracy was measured.
      seed: of the choice of images and of all that is random in a perturbation.
      top1: accuracy of the model on unchanged images, in [0, 1].
      baseline_top1: the same of the baseline; None without one.
      rows: by perturbation, and for each by strength.
    """

    model: str
    baseline: str | None
    attacked: str | None
    num_images: int
    seed: int
    top1: float
    baseline_top1: float | None
    rows: tuple[RobustnessRow, ...]

    @property
    def mean_corruption_accuracy(self) -> float | None:
        """Mean top-1 over corruptions and strengths, attacks not; None without any."""
        return _mean(row.top1 for row in self._corrupted())

    @property
    def baseline_mean_corruption_accuracy(self) -> float | None:
        """The same of the baseline; None without one."""
        if self.baseline is None:
            return None
        return _mean(row.baseline_top1 for row in self._corrupted())

    @property
    def mean_corruption_error(self) -> float | None:
        """Errors under corruption as a multiple of the baseline's; 1 is as many.

        The mean over corruptions of the sum of error rates over strengths, divided by
        that of the baseline. None without a baseline, or where it makes no error.

        References:
          Hendrycks and Dietterich, arXiv:1903.12261, section 4.1, with the baseline in
          the place of AlexNet.
        """
        if self.baseline is None:
            return None
        ratios = []
        for name in dict.fromkeys(row.perturbation for row in self._corrupted()):
            rows = self.under(name)
            errors = sum(1 - row.top1 for row in rows)
            reference = sum(1 - (row.baseline_top1 or 0.0) for row in rows)
            if not reference:
                return None
            ratios.append(errors / reference)
        return _mean(ratios)

    def under(self, perturbation: str) -> list[RobustnessRow]:
        """Returns the rows of one perturbation, by strength."""
        return [row for row in self.rows if row.perturbation == perturbation]

    @property
    def perturbations(self) -> list[str]:
        """Names of the perturbations, in order."""
        return list(dict.fromkeys(row.perturbation for row in self.rows))

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        return {
            **asdict(self),
            "mean_corruption_accuracy": self.mean_corruption_accuracy,
            "baseline_mean_corruption_accuracy": self.baseline_mean_corruption_accuracy,
            "mean_corruption_error": self.mean_corruption_error,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Robustness:
        """Returns the result that `to_dict` wrote."""
        given = {field.name: values[field.name] for field in fields(cls)}
        rows = tuple(RobustnessRow(**row) for row in given["rows"])
        return cls(**{**given, "rows": rows})

    def to_json(self) -> str:
        """Returns `to_dict` as an indented JSON document."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        """Returns a table: top-1 in %, and in brackets the points above the baseline.

        A row a perturbation, a column a strength, and the mean of the row last.
        """
        strengths = sorted({row.strength for row in self.rows})
        clean = _cell(self.top1, self.baseline_top1)
        lines = [visible_text(self._title()), _line("strength", [*strengths, "mean"])]
        lines.append(_line("unchanged", [clean] if strengths else []))
        for name in self.perturbations:
            rows = self.under(name)
            means = _mean(x.top1 for x in rows), _mean(x.baseline_top1 for x in rows)
            cells = [_cell(row.top1, row.baseline_top1) for row in rows]
            lines.append(_line(name, [*cells, _cell(*means)]))
        return "\n".join([*lines, *self._footer()])

    def _title(self) -> str:
        beside = "" if self.baseline is None else f", beside {self.baseline}"
        return f"top-1 in % of {self.model}{beside}, on {self.num_images:,} test images"

    def _footer(self) -> list[str]:
        lines = []
        if self.mean_corruption_accuracy is not None:
            cell = _cell(
                self.mean_corruption_accuracy, self.baseline_mean_corruption_accuracy
            )
            lines.append(f"mean corruption accuracy {cell.strip()}")
        if self.mean_corruption_error is not None:
            lines[-1] += f", errors {self.mean_corruption_error:.3f} of the baseline's"
        if self.attacked is not None:
            attacks = [row.perturbation for row in self.rows if row.is_attack]
            names = ", ".join(dict.fromkeys(attacks))
            lines.append(f"{names}: gradient of {visible_text(self.attacked)}")
        return lines

    def _corrupted(self) -> list[RobustnessRow]:
        return [row for row in self.rows if not row.is_attack]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _cell(top1: float | None, baseline: float | None) -> str:
    if top1 is None:
        return ""
    text = f"{100 * top1:.1f}"
    return text if baseline is None else f"{text} ({100 * (top1 - baseline):+.1f})"


def _line(name: str, cells: Sequence[object]) -> str:
    right = "".join(f"{cell!s:>{_CELL_WIDTH}}" for cell in cells)
    return f"{name:<{_NAME_WIDTH}}{right}"
