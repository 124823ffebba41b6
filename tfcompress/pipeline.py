"""run_recipe: the stages of a recipe folded over its model, resumable, reported."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tf_keras as keras

from tfcompress.chain import Chain, preflight
from tfcompress.data import Dataset
from tfcompress.errors import (
    InvalidArgumentError,
    PromiseNotMetError,
    WorkdirError,
)
from tfcompress.measurement import measure
from tfcompress.recipe import Recipe
from tfcompress.reporting.compare import compare
from tfcompress.reporting.finished_run import CHANGED_IMAGES, FinishedRun
from tfcompress.reporting.hparams import write_hparams
from tfcompress.reporting.report import Report
from tfcompress.run import Run
from tfcompress.serialization import encode
from tfcompress.storage import (
    file_facts,
    lock_workdir,
    read_json,
    write_bytes,
    write_json,
    writing,
)
from tfcompress.training.distillation import teacher_cache
from tfcompress.training.progress import Progress

_RESULTS = (
    *("model.tflite", "baseline.tflite", CHANGED_IMAGES),
    *("report.md", "report.json", "report.html"),
)
_MANIFEST = "manifest.json"
_MARKER = "recipe.json"
# The marker is the last to be removed: a folder without it is a stranger's.
_OUTPUTS = (
    _MANIFEST,
    *_RESULTS,
    "stages",
    "tensorboard",
    teacher_cache.FOLDER,
    _MARKER,
)


def run_recipe(
    recipe: Recipe,
    workdir: str | Path | None = None,
    *,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Runs a recipe, or goes on with one that was stopped, and writes its report.

    Every stage is committed to `workdir/stages` when it ends. The same recipe on the
    same folder goes on after the last committed stage and ends with the artifact that
    an uninterrupted run would have made; a finished run only returns its report.

    Args:
      recipe: what to do.
      workdir: folder of the run; `runs/NAME` if None.
      fresh: remove what an earlier run left in the folder, and start over.
      progress: where to tell how far the run is; None is silent.

    Returns:
      The report, as in `workdir/report.json`.

    Raises:
      WorkdirError: the folder is another recipe's, in use, or cannot be written.
      ExportError: the export wants a package that is not installed.
      DataError, ModelError, InvalidArgumentError: data, model or a stage is not what
        it should be; most of this is found before anything is trained.
      PromiseNotMetError: the run is complete, but lost more accuracy than
        `recipe.max_top1_drop`.

    Example:
      >>> report = tfc.run_recipe(tfc.load_recipe("recipes/quickstart.py"), "runs/a")
    """
    if workdir is None and not recipe.name:
        raise InvalidArgumentError("a recipe without a name needs a workdir")
    workdir = Path(workdir) if workdir is not None else Path("runs") / recipe.name
    progress = progress or Progress(mode="silent")
    with lock_workdir(workdir):
        data = _load_data(recipe)
        for each in data.values():
            if each.skipped:
                progress.message(f"{len(each.skipped)} damaged images were left out")
        _claim(workdir, recipe, data, fresh)
        report = _finished_report(workdir, recipe)
        if report is None:
            recipe.export.check_available()
            report = _run(recipe, data, workdir, progress)
            # No stage will ask a teacher again.
            shutil.rmtree(workdir / teacher_cache.FOLDER, ignore_errors=True)
    _check_budget(recipe, report, workdir)
    return report


def _load_data(recipe: Recipe) -> dict[str, Dataset]:
    """Returns the data of the recipe, named "", and what teachers have of their own."""
    teachers = recipe.teachers.items()
    own = {name: teacher.data for name, teacher in teachers if teacher.data}
    return {name: data.load() for name, data in {"": recipe.data, **own}.items()}


def _run(
    recipe: Recipe, all_data: Mapping[str, Dataset], workdir: Path, progress: Progress
) -> Report:
    data = all_data[""]
    run = Run(data=data, workdir=workdir, seed=recipe.seed, progress=progress)
    teachers = {
        name: Chain(
            f"teacher_{name}_",
            teacher.model,
            teacher.stages,
            replace(run, data=all_data.get(name, data)),
        )
        for name, teacher in recipe.teachers.items()
    }
    chain = Chain("", recipe.model, recipe.stages, run)
    chains = [*teachers.values(), chain]
    preflight(teachers, chain)
    progress.plan([step for each in chains for step in each.plan()])
    rows = _train(teachers, chain, progress)
    report = measure(recipe, chain, rows, workdir, progress)
    write_bytes(workdir / "report.md", report.to_markdown().encode())
    write_json(workdir / "report.json", report.to_dict())
    # A view of all that the folder holds by now. It may be sent to others, whom the
    # path of this folder does not concern.
    finished = replace(FinishedRun.open(workdir), name=recipe.name or workdir.name)
    html = compare([finished], latency=False).to_html()
    write_bytes(workdir / "report.html", html.encode())
    write_hparams(workdir / "tensorboard/hparams", recipe.to_dict(), report)
    write_json(workdir / _MANIFEST, _result_facts(workdir))
    return report


def _train(
    teachers: Mapping[str, Chain], chain: Chain, progress: Progress
) -> list[dict[str, Any]]:
    """Completes the teachers, in order, and the recipe's own stages; returns all rows.

    Each may learn from those before it.
    """
    rows: list[dict[str, Any]] = []
    models: dict[str, keras.Model] = {}
    for name, teacher in teachers.items():
        taught = replace(teacher, run=replace(teacher.run, teachers=dict(models)))
        rows += taught.complete(progress)
        models[name] = teacher.model_after(len(teacher.stages))
    taught = replace(chain, run=replace(chain.run, teachers=models))
    return rows + taught.complete(progress)


def _claim(
    workdir: Path, recipe: Recipe, data: Mapping[str, Dataset], fresh: bool
) -> None:
    """Makes the folder this recipe's, or refuses it if it is another one's."""
    fingerprint = " ".join(each.fingerprint for each in data.values())
    marker = workdir / _MARKER
    if not marker.exists():
        stray = [name for name in _OUTPUTS if (workdir / name).exists()]
        if stray:
            raise WorkdirError(
                f"{workdir} holds {stray[0]} but no {_MARKER}, so it is not known "
                "whose it is; use another --workdir, or move that away"
            )
    elif fresh:
        _clear(workdir)
    elif _has_results(workdir):
        claim = read_json(marker)
        claim = claim if isinstance(claim, dict) else {}
        if claim.get("digest") != recipe.digest:
            raise WorkdirError(
                f"{workdir} holds a run of another recipe, or of this one with other "
                "settings; use another --workdir, or --fresh to remove that run"
            )
        if claim.get("data") != fingerprint:
            raise WorkdirError(
                f"the data {recipe.data.name!r} is not what it was when the run in "
                f"{workdir} began; use another --workdir, or --fresh to remove that run"
            )
        return
    claim = {
        "digest": recipe.digest,
        "data": fingerprint,
        "recipe": recipe.to_dict(),
    }
    write_json(marker, claim)


def _has_results(workdir: Path) -> bool:
    """Returns whether anything that took time would be lost with the claim."""
    stages = (workdir / "stages").glob("*/*")
    return (workdir / _MANIFEST).exists() or any(stages)


def _clear(workdir: Path) -> None:
    # Only what runs write: the folder may be the user's own, with other files in it.
    with writing(workdir):
        for path in (workdir / name for name in _OUTPUTS):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _result_facts(workdir: Path) -> dict[str, Any]:
    # There is no picture of changed predictions where none changed.
    written = [name for name in _RESULTS if (workdir / name).exists()]
    return {name: file_facts(workdir / name) for name in written}


def _finished_report(workdir: Path, recipe: Recipe) -> Report | None:
    """Returns the report of a run that is complete; None where a file was changed.

    None, too, where it lacks the robustness that is asked for by now.
    """
    try:
        if read_json(workdir / _MANIFEST) != _result_facts(workdir):
            return None
        report = Report.from_dict(read_json(workdir / "report.json"))
    except (OSError, WorkdirError):
        return None
    known = report.artifact.get("robustness", {}).get("perturbations")
    asked = recipe.robustness
    return report if asked is None or known == encode(asked) else None


def _check_budget(recipe: Recipe, report: Report, workdir: Path) -> None:
    drop, budget = report.comparison["top1_drop"], recipe.max_top1_drop
    if budget is not None and drop > budget:
        raise PromiseNotMetError(
            f"the artifact loses {drop * 100:.2f} points of top-1, more than the "
            f"{budget * 100:.2f} that max_top1_drop allows "
            f"({report.headline(workdir)}); give the last stages more epochs, or "
            "compress less",
            report,
        )
