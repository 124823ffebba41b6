"""compare: opens and measures runs, models and files, to set them side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling.environment import environment
from tfcompress.reporting.comparison import AXES, Comparison, checked_axes
from tfcompress.reporting.figures import FIGURES, Row
from tfcompress.reporting.robustness import (
    all_tried,
    different_images,
    measure_robustness,
)
from tfcompress.reporting.subjects import (
    Subject,
    changed_from_first,
    check_path,
    different_tests,
    open_subject,
)
from tfcompress.reporting.timing import timed

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset
    from tfcompress.quality.robustness.perturbations import Perturbations
    from tfcompress.training.progress import Progress


def compare(
    subjects: Iterable[Any],
    *,
    data: Dataset | None = None,
    robustness: Perturbations | None = None,
    axes: Sequence[str] = AXES,
    latency: bool = True,
    num_threads: int = 1,
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
      latency: whether all .tflite files are timed, in alternation: in nine processes
        one after the other, or as many as ten seconds a file have room for.
      num_threads: threads of the LiteRT interpreters that are timed.

    Raises:
      InvalidArgumentError: there is nothing to compare, or no such figure.
      WorkdirError: a run is not finished, or its folder damaged.
      ModelError: a model cannot be read or run.

    Example:
      >>> print(tfc.compare(["runs/a", "runs/b"]).to_markdown(diff_only=True))
    """
    return Measuring(data, robustness, latency, num_threads).compared(subjects, axes)


@dataclass(frozen=True)
class Measuring:
    """What a comparison measures of models that are no run's, and of all files.

    Args:
      data: see `compare`, likewise the next three.
      robustness: changes of test images.
      latency: whether files are timed.
      num_threads: of the interpreters that are timed.
      progress: where to tell what takes long; None is silent.

    Raises:
      InvalidArgumentError: `num_threads` is below 1.
    """

    data: Dataset | None = None
    robustness: Perturbations | None = None
    latency: bool = True
    num_threads: int = 1
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.num_threads < 1:
            raise InvalidArgumentError(
                f"num_threads is {self.num_threads}; expected 1 or more"
            )

    def compared(
        self, subjects: Iterable[Any], axes: Sequence[str] = AXES
    ) -> Comparison:
        """Does what `compare` does."""
        axes = checked_axes(axes)
        data, progress = self.data, self.progress
        opened = self._opened(list(subjects))
        lone = {each.rows[0].name: each for each in opened if each.profile}
        runs = tuple(each.run for each in opened if each.run)
        found = measure_robustness(lone, data, self.robustness, progress)
        files = {name: path for each in opened for name, path in each.files.items()}
        rows, notes = timed(
            [row for each in opened for row in each.rows],
            files,
            self.latency,
            self.num_threads,
            progress,
        )
        notes += [*_missing(rows, axes), *different_tests(opened, data)]
        notes += different_images(all_tried(runs, list(lone), found))
        return Comparison(
            rows=tuple(rows),
            runs=runs,
            profiles={
                name: each.profile for name, each in lone.items() if each.profile
            },
            accuracies={
                name: each.accuracy for name, each in lone.items() if each.accuracy
            },
            robustness=found,
            changed=changed_from_first(lone, data),
            class_names=() if data is None else data.class_names,
            environment=environment(self.num_threads),
            timed_here=self.latency,
            axes=axes,
            notes=tuple(notes),
        )

    def _opened(self, subjects: Sequence[Any]) -> list[Subject]:
        if not subjects:
            raise InvalidArgumentError(
                "compare: expected at least one run, model or file"
            )
        for subject in subjects:
            check_path(subject)  # before minutes go into the others
        opened: list[Subject] = []
        for subject in subjects:
            taken = {row.name for each in opened for row in each.rows}
            opened.append(open_subject(subject, self.data, taken, self.progress))
        return opened


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
