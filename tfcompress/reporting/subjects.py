"""Opening what can be compared: runs, models and files."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tfcompress.errors import ModelError
from tfcompress.profiling import Profile, profile
from tfcompress.reporting.figures import Row, figures_of
from tfcompress.reporting.finished_run import FinishedRun, is_run

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tfcompress.data.dataset import Dataset
    from tfcompress.quality.accuracy import Accuracy
    from tfcompress.reporting.changed import ChangedImages
    from tfcompress.training.progress import Progress


class Subject(NamedTuple):
    """What is known of one thing that is compared.

    Args:
      rows: of a run two, else one.
      files: paths of its .tflite files by the names of their rows.
      run: if it is one.
      profile: if it is no run.
      model: what answers, a live one or a path, if it is no run.
      accuracy: of that, where there was data.
      logits: for the test images, shape `(num_examples, num_classes)`, likewise.
    """

    rows: tuple[Row, ...]
    files: Mapping[str, Path]
    run: FinishedRun | None = None
    profile: Profile | None = None
    model: Any = None
    accuracy: Accuracy | None = None
    logits: npt.NDArray[np.float32] | None = None


def check_path(subject: Any) -> None:
    """Refuses a path at which there is nothing that can be compared.

    Args:
      subject: a path, or anything else, which is let pass.

    Raises:
      ModelError: there is nothing, or a folder of something else.
    """
    if not isinstance(subject, (str, os.PathLike)):
        return
    path = Path(subject)
    # The path of an empty text would be the current folder.
    if subject == "" or not path.exists():
        what = "does not exist"
    elif path.is_dir() and not is_run(path) and not (path / "saved_model.pb").exists():
        what = "is a folder, but of no run and no SavedModel"
    else:
        return
    raise ModelError(
        f"{str(subject) or repr('')} {what}; expected the folder of a run, or a model "
        "file: check the path"
    )


def open_subject(
    subject: Any,
    data: Dataset | None,
    taken: Collection[str],
    progress: Progress | None = None,
) -> Subject:
    """Opens a run folder, a model or its file.

    Args:
      subject: any of these, or what was made of it: a `FinishedRun` or a `Profile`.
      data: what to measure the accuracy on, of what is no run; None leaves it open.
      taken: names that other rows have.
      progress: where to tell what takes long; None is silent.

    Raises:
      WorkdirError: the run is not finished, or its folder damaged.
      ModelError: the model cannot be read or run.
    """
    is_path = isinstance(subject, (str, os.PathLike))
    if is_path and is_run(Path(subject)):
        subject = FinishedRun.open(subject)
    if isinstance(subject, FinishedRun):
        run = replace(subject, name=_free_name(subject.name, taken))
        return Subject(run.rows(), run.files(), run=run)
    if isinstance(subject, Profile):
        found, model = subject, subject.source
    else:
        found, model = profile(subject, latency=False), subject
    scored = logits = None
    if data is not None:
        from tfcompress.quality.accuracy import accuracy, predict

        if progress is not None:
            number = f"{len(data.test):,} test images"
            progress.message(f"asking {found.source} about {number}")
        logits = predict(model, data, progress=progress)
        scored = accuracy(logits, data.test.labels)
    name = _free_name(found.source, taken)
    files = {name: Path(found.source)} if found.format == "tflite" else {}
    row = Row(name, found.format, figures_of(found, scored.top1 if scored else None))
    return Subject((row,), files, None, found, model, scored, logits)


def changed_from_first(
    lone: Mapping[str, Subject], data: Dataset | None
) -> dict[str, ChangedImages]:
    """Returns which test images each other model calls otherwise than the first.

    Args:
      lone: models that are no run's, by name of their row.
      data: what they were scored on; None has nothing to tell.
    """
    logits = {
        name: each.logits for name, each in lone.items() if each.logits is not None
    }
    if data is None or not logits:
        return {}
    from tfcompress.reporting.changed import changed_images

    first, *others = logits
    return {name: changed_images(logits[first], logits[name], data) for name in others}


def different_tests(opened: Sequence[Subject], data: Dataset | None) -> list[str]:
    """Returns a sentence if accuracies are of different images."""
    facts = [each.run.report.data for each in opened if each.run]
    if data is not None and any(each.accuracy for each in opened):
        facts.append(data.summary())
    tests = {f"{each['num_test']:,} of {each['name']}": None for each in facts}
    if len(tests) < 2:
        return []
    return [f"Top-1 is not of the same images: {', '.join(tests)}."]


def _free_name(name: str, taken: Collection[str]) -> str:
    names = [name, *(f"{name} ({number})" for number in range(2, len(taken) + 3))]
    return next(each for each in names if each not in taken)
