"""run_recipe: the stages of a recipe folded over its model, resumable, reported."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import tf_keras as keras

from tfcompress.chain import Chain
from tfcompress.data import Dataset
from tfcompress.errors import PromiseNotMetError, WorkdirError
from tfcompress.export import Artifact, export_tflite
from tfcompress.profiling import profile
from tfcompress.profiling.accuracy import accuracy, agreement, predict
from tfcompress.profiling.environment import environment
from tfcompress.profiling.latency import latency_ratio, measure_latency
from tfcompress.profiling.report import SCHEMA_VERSION, Report
from tfcompress.recipe import Recipe
from tfcompress.run import Run, derive_seed
from tfcompress.stages import Training
from tfcompress.storage import (
    lock_workdir,
    read_json,
    write_bytes,
    write_json,
    writing,
)
from tfcompress.training.progress import Progress

_OUTPUTS = (
    "report.json",
    "report.md",
    "model.tflite",
    "baseline.tflite",
    "recipe.json",
    "stages",
    "tensorboard",
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
      PromiseNotMetError: the run is complete, but lost more accuracy than
        `recipe.max_top1_drop`.

    Example:
      >>> report = tfc.run_recipe(tfc.load_recipe("recipes/quickstart.py"), "runs/a")
    """
    workdir = Path(workdir) if workdir is not None else Path("runs") / recipe.name
    with lock_workdir(workdir):
        _claim(workdir, recipe, fresh)
        report = _finished_report(workdir)
        if report is None:
            report = _run(recipe, workdir, progress or Progress(mode="silent"))
    _check_budget(recipe, report)
    return report


def _run(recipe: Recipe, workdir: Path, progress: Progress) -> Report:
    data = recipe.data.load()
    run = Run(data=data, workdir=workdir, seed=recipe.seed, progress=progress)
    teachers = {
        name: Chain(f"teacher_{name}_", teacher.model, teacher.stages, run)
        for name, teacher in recipe.teachers.items()
    }
    chain = Chain("", recipe.model, recipe.stages, run)
    progress.plan([step for c in (*teachers.values(), chain) for step in c.plan()])
    rows = [row for teacher in teachers.values() for row in teacher.complete(progress)]
    # Nothing is left to learn once the stages are done, so no teacher is loaded then.
    if len(chain.rows()) < len(recipe.stages):
        models = {name: t.model_after(len(t.stages)) for name, t in teachers.items()}
        chain = replace(chain, run=replace(run, teachers=models))
    rows += chain.complete(progress)

    progress.message("exporting and measuring the float32 baseline")
    num_float = len(list(takewhile(lambda s: isinstance(s, Training), recipe.stages)))
    baseline = chain.model_after(num_float)
    baseline_path = workdir / "baseline.tflite"
    baseline_file = export_tflite(baseline, baseline_path, quantization="float32")
    baseline_facts = _baseline_facts(baseline, baseline_file, data)
    progress.message(f"exporting and measuring the {recipe.export.quantization} file")
    model = chain.model_after(len(recipe.stages))
    artifact = _export(recipe, model, workdir / "model.tflite", data)
    report = Report(
        schema_version=SCHEMA_VERSION,
        recipe={"name": recipe.name, "digest": recipe.digest, "seed": recipe.seed},
        environment=environment(num_threads=1),
        data=data.summary(),
        baseline=baseline_facts,
        stages=rows,
        artifact=_artifact_facts(model, artifact, data),
        comparison={},
    ).compared(latency_ratio(baseline_file.path, artifact.path))
    write_bytes(workdir / "report.md", report.to_markdown().encode())
    write_json(workdir / "report.json", report.to_dict())
    return report


def _export(recipe: Recipe, model: keras.Model, path: Path, data: Dataset) -> Artifact:
    return export_tflite(
        model,
        path,
        data,
        recipe.export.quantization,
        recipe.export.num_calibration,
        derive_seed(recipe.seed, "calibration"),
    )


def _baseline_facts(
    model: keras.Model, artifact: Artifact, data: Dataset
) -> dict[str, Any]:
    totals = profile(model).totals
    top = accuracy(predict(artifact.path, data), data.test.labels)
    return {
        "top1": top.top1,
        "top5": top.top5,
        "params": totals.params,
        "macs": totals.macs,
        "tflite": {
            "size_bytes": artifact.size_bytes,
            "gzip_bytes": artifact.gzip_bytes,
            "latency_ms": measure_latency(artifact.path).to_dict(),
        },
    }


def _artifact_facts(
    model: keras.Model, artifact: Artifact, data: Dataset
) -> dict[str, Any]:
    logits = predict(artifact.path, data)
    top = accuracy(logits, data.test.labels)
    return {
        "path": Path(artifact.path).name,
        "sha256": artifact.sha256,
        "quantization": artifact.quantization,
        "top1": top.top1,
        "top5": top.top5,
        "keras_agreement": agreement(predict(model, data), logits),
        "size_bytes": artifact.size_bytes,
        "gzip_bytes": artifact.gzip_bytes,
        "macs": profile(artifact.path, latency=False).totals.macs,
        **artifact.audit.to_dict(),
        "calibration_indices": list(artifact.calibration_indices),
        "latency_ms": measure_latency(artifact.path).to_dict(),
        "peak_memory_bytes": None,
    }


def _claim(workdir: Path, recipe: Recipe, fresh: bool) -> None:
    """Makes the folder this recipe's, or refuses it if it is another one's."""
    if fresh:
        _clear(workdir)
    marker = workdir / "recipe.json"
    if not marker.exists():
        stray = [name for name in _OUTPUTS if (workdir / name).exists()]
        if stray:
            raise WorkdirError(
                f"{workdir} holds {stray[0]} but no recipe.json, so it is unknown "
                "whose run it is; use another --workdir, or --fresh to remove that run"
            )
        write_json(marker, {"digest": recipe.digest, "recipe": recipe.to_dict()})
        return
    if read_json(marker).get("digest") != recipe.digest:
        raise WorkdirError(
            f"{workdir} holds a run of another recipe, or of this one with other "
            "settings; use another --workdir, or --fresh to remove that run"
        )


def _clear(workdir: Path) -> None:
    # Only what runs write: the folder may be the user's own, with other files in it.
    with writing(workdir):
        for path in (workdir / name for name in _OUTPUTS):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _finished_report(workdir: Path) -> Report | None:
    """Returns the report of a run that is complete and whole, or None."""
    if not (workdir / "report.json").exists():
        return None
    report = Report.from_dict(read_json(workdir / "report.json"))
    return report if report.describes(workdir) else None


def _check_budget(recipe: Recipe, report: Report) -> None:
    drop, budget = report.comparison["top1_drop"], recipe.max_top1_drop
    if budget is not None and drop > budget:
        raise PromiseNotMetError(
            f"the artifact loses {drop * 100:.2f} points of top-1, more than the "
            f"{budget * 100:.2f} that max_top1_drop allows; {report.headline()}; give "
            "the last stages more epochs, or compress less"
        )
