"""compare: runs, models and files side by side, and which of them nothing beats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling import Profile
from tfcompress.profiling.environment import environment
from tfcompress.profiling.profile import csv_cell
from tfcompress.reporting.figures import FIGURES, Row
from tfcompress.reporting.finished_run import FinishedRun
from tfcompress.reporting.pareto import pareto_front
from tfcompress.reporting.robustness import (
    Tried,
    all_tried,
    different_images,
    measure_robustness,
    robustness_columns,
)
from tfcompress.reporting.subjects import (
    Subject,
    changed_from_first,
    different_tests,
    open_subject,
)
from tfcompress.reporting.timing import timed

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset
    from tfcompress.quality.accuracy import Accuracy
    from tfcompress.quality.robustness.perturbations import Perturbations
    from tfcompress.quality.robustness.result import Robustness
    from tfcompress.reporting.changed import ChangedImages
    from tfcompress.training.progress import Progress

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
      timed_here: whether latency is the tenth percentile of alternating blocks, and not
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
            }
            for row in self.rows
        ]
        if "latency_ms" in names:
            kind = "p10_of_blocks" if self.timed_here else "p50_of_run"
            for each in rows:
                known = each["latency_ms"] is not None
                each["latency_statistic"] = kind if known else None
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

    def to_json(self, diff_only: bool = False) -> str:
        """Returns `to_dict` as an indented JSON document."""
        return json.dumps(self.to_dict(diff_only), indent=2, allow_nan=False)

    def to_csv(self, diff_only: bool = False) -> str:
        """Returns a line a row; texts that a spreadsheet would execute are quoted.

        Beside `latency_ms`, `latency_statistic` is `p10_of_blocks` where all were timed
        here in alternation, and `p50_of_run` where each run measured its own.
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


def compare(
    subjects: Iterable[Any],
    *,
    data: Dataset | None = None,
    robustness: Perturbations | None = None,
    axes: Sequence[str] = AXES,
    latency: bool = True,
    num_threads: int = 1,
    progress: Progress | None = None,
) -> Comparison:
    """Compares runs, models and files.

    Args:
      subjects: folders of runs, paths of .tflite and Keras files, live Keras models,
        or what was made of these: `FinishedRun`, `Profile`.
      data: what to measure the accuracy of models on that are no run's; None leaves it
        open. Runs have measured their own.
      robustness: changes of test images to try the models that are no run's on, each
        beside the first of them.
      axes: figures of the Pareto front, of `top1`, `size_bytes`, `gzip_bytes`,
        `latency_ms`, `macs`, `peak_memory_bytes`, `params`, `nonzero_params`,
        `sparsity`.
      latency: whether all .tflite files are timed, in alternation.
      num_threads: threads of the LiteRT interpreters that are timed.
      progress: where to tell what takes long; None is silent.

    Raises:
      InvalidArgumentError: there is nothing to compare, or no such figure.
      WorkdirError: a run is not finished, or its folder damaged.
      ModelError: a model cannot be read or run.

    Example:
      >>> print(tfc.compare(["runs/a", "runs/b"]).to_markdown(diff_only=True))
    """
    axes = checked_axes(axes)
    if num_threads < 1:
        raise InvalidArgumentError(f"num_threads is {num_threads}; expected 1 or more")
    opened: list[Subject] = []
    for subject in subjects:
        taken = {row.name for each in opened for row in each.rows}
        opened.append(open_subject(subject, data, taken, progress))
    if not opened:
        raise InvalidArgumentError("compare: expected at least one run, model or file")
    lone = {each.rows[0].name: each for each in opened if each.profile}
    runs = tuple(each.run for each in opened if each.run)
    found = measure_robustness(lone, data, robustness, progress)
    rows = [row for each in opened for row in each.rows]
    files = {name: path for each in opened for name, path in each.files.items()}
    rows, notes = timed(rows, files, latency, num_threads, progress)
    notes += [*_missing(rows, axes), *different_tests(opened, data)]
    notes += different_images(all_tried(runs, list(lone), found))
    return Comparison(
        rows=tuple(rows),
        runs=runs,
        profiles={name: each.profile for name, each in lone.items() if each.profile},
        accuracies={
            name: each.accuracy for name, each in lone.items() if each.accuracy
        },
        robustness=found,
        changed=changed_from_first(lone, data),
        class_names=() if data is None else data.class_names,
        environment=environment(num_threads),
        timed_here=latency,
        axes=axes,
        notes=tuple(notes),
    )


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


def _missing(rows: Sequence[Row], axes: Sequence[str]) -> list[str]:
    """Returns a sentence for each axis that some rows cannot be compared on."""
    lacking = {
        axis: [row.name for row in rows if row.figures[axis] is None] for axis in axes
    }
    return [
        f"Not on the Pareto front, with {FIGURES[axis].label} not known: "
        f"{', '.join(names)}."
        for axis, names in lacking.items()
        if names
    ]
