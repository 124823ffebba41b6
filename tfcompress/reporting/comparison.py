"""Comparison: models side by side, which of them nothing beats, and its documents."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling import Profile
from tfcompress.profiling.profile import csv_cell
from tfcompress.reporting.figures import FIGURES, Row
from tfcompress.reporting.finished_run import FinishedRun
from tfcompress.reporting.pareto import pareto_front
from tfcompress.reporting.robustness import (
    Tried,
    all_tried,
    robustness_columns,
)

if TYPE_CHECKING:
    from tfcompress.quality.accuracy import Accuracy
    from tfcompress.quality.robustness.result import Robustness
    from tfcompress.reporting.changed import ChangedImages

SCHEMA_VERSION = 1
AXES = ("top1", "size_bytes")


@dataclass(frozen=True)
class Comparison:
    """Models side by side, and the settings of the runs they come from.

    Args:
      rows: a run has two, its artifact and its baseline.
      runs: those of the runs among what was compared.
      profiles: of the models that are no run's, by the name of their row.
      accuracies: of these models, by the same names; empty without data.
      robustness: of these models but the first, their baseline, by the same names;
        empty where it was not asked for.
      changed: what these models but the first call otherwise than that one, by the
        same names; empty without data.
      class_names: of the data.
      environment: versions, processor and threads where the comparison was made.
      timed_here: whether latency is the median of rounds of alternating blocks, and not
        the median that each run measured.
      axes: figures of the Pareto front, names of `FIGURES`.
      notes: how figures were measured, or why they are not known.

    Example:
      >>> comparison = tfc.compare(["runs/a", "runs/b", "other.tflite"])
      >>> [row.name for row in comparison.pareto(("top1", "latency_ms"))]
      >>> Path("report.html").write_text(comparison.to_html())
    """

    rows: tuple[Row, ...]
    runs: tuple[FinishedRun, ...] = ()
    profiles: Mapping[str, Profile] | None = None
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)
    robustness: Mapping[str, Robustness] = field(default_factory=dict)
    changed: Mapping[str, ChangedImages] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    timed_here: bool = False
    axes: tuple[str, ...] = AXES
    notes: tuple[str, ...] = ()

    def pareto(self, axes: Sequence[str] | None = None) -> tuple[Row, ...]:
        """Returns the rows that no other beats.

        A row of which one of the figures is not known is not among them.

        Args:
          axes: names of figures, such as `("top1", "latency_ms")`; None is `self.axes`.

        Raises:
          InvalidArgumentError: there is no such figure.
        """
        axes = checked_axes(self.axes if axes is None else axes)
        points = [[row.figures[axis] for axis in axes] for row in self.rows]
        front = pareto_front(points, [FIGURES[axis].larger_is_better for axis in axes])
        return tuple(row for row, on in zip(self.rows, front, strict=True) if on)

    def figure_names(self, diff_only: bool = False) -> list[str]:
        """Returns the figures that are known of some row.

        Args:
          diff_only: whether those that are the same for all rows are left out.
        """
        values = {name: {row.figures[name] for row in self.rows} for name in FIGURES}
        if diff_only and len(self.rows) > 1:
            return [name for name in FIGURES if len(values[name]) > 1]
        return [name for name in FIGURES if values[name] != {None}]

    def differences(self) -> dict[str, dict[str, Any]]:
        """Returns the settings that the runs differ in: by path, then by run.

        A run that does not have a setting has None there.
        """
        paths = dict.fromkeys(path for run in self.runs for path in run.settings)
        table = {
            path: {run.name: run.settings.get(path) for run in self.runs}
            for path in paths
        }
        return {
            path: values
            for path, values in table.items()
            if len({json.dumps(value, sort_keys=True) for value in values.values()}) > 1
        }

    def tried(self) -> list[Tried]:
        """Returns robustness, of the runs that measured it and of the other models."""
        return all_tried(self.runs, list(self.profiles or {}), self.robustness)

    def to_dict(self, diff_only: bool = False) -> dict[str, Any]:
        """Returns JSON values.

        Args:
          diff_only: whether figures and settings that are the same everywhere are left
            out.
        """
        front, names = self.pareto(), self.figure_names(diff_only)
        rows = [
            {
                "name": row.name,
                "kind": row.kind,
                "on_pareto_front": row in front,
                **{name: row.figures[name] for name in names},
                **(self._latency_facts(row) if "latency_ms" in names else {}),
            }
            for row in self.rows
        ]
        whole = {} if diff_only else {run.name: dict(run.settings) for run in self.runs}
        return {
            "schema_version": SCHEMA_VERSION,
            "axes": list(self.axes),
            "rows": rows,
            "differences": self.differences(),
            "settings": whole,
            "robustness": [each.result.to_dict() for each in self.tried()],
            "changed": {name: each.facts for name, each in self.changed.items()},
            "environment": dict(self.environment),
            "notes": list(self.notes),
        }

    def _latency_facts(self, row: Row) -> dict[str, Any]:
        """Returns what is to be known beside a row's `latency_ms`."""
        kind = "median_of_rounds" if self.timed_here else "p50_of_run"
        facts = {"latency_statistic": kind if row.figures["latency_ms"] else None}
        if not self.timed_here:
            return facts
        low, high = row.latency_interval or (None, None)
        return {"latency_ms_low": low, "latency_ms_high": high, **facts}

    def to_json(self, diff_only: bool = False) -> str:
        """Returns `to_dict` as an indented JSON document."""
        return json.dumps(self.to_dict(diff_only), indent=2, allow_nan=False)

    def to_csv(self, diff_only: bool = False) -> str:
        """Returns a line a row; texts that a spreadsheet would execute are quoted.

        Beside `latency_ms`, `latency_statistic` is `median_of_rounds` where all were
        timed here in alternation, with the ends of the interval, `latency_ms_low` and
        `latency_ms_high`, and `p50_of_run` where each run measured its own.
        Where robustness was measured, there is a column for each perturbation at each
        strength, such as `blur_3`.
        """
        rows = self.to_dict(diff_only)["rows"]
        columns = robustness_columns(self.tried())
        for row in rows:
            row.update(columns.get(row["name"], {}))
        text = io.StringIO()
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: csv_cell(value) for name, value in row.items()})
        return text.getvalue()

    def to_markdown(self, diff_only: bool = False) -> str:
        """Returns tables for people: figures, settings that differ, the environment."""
        from tfcompress.reporting.comparison_markdown import comparison_markdown

        return comparison_markdown(self, diff_only)

    def to_html(self, diff_only: bool = False) -> str:
        """Returns one page with everything in it: no file and no network is needed.

        Args:
          diff_only: whether only the comparison is shown, without the single models,
            and without what is the same everywhere.
        """
        from tfcompress.reporting.html import comparison_html

        return comparison_html(self, diff_only)


def checked_axes(axes: Sequence[str]) -> tuple[str, ...]:
    """Returns the axes of a Pareto front.

    Raises:
      InvalidArgumentError: there are none, one twice, or one that is no figure.
    """
    axes = tuple(axes)
    if not axes or len(set(axes)) < len(axes) or not set(axes) <= set(FIGURES):
        raise InvalidArgumentError(
            f"axes={axes!r}; expected different names of {', '.join(FIGURES)}"
        )
    return axes
