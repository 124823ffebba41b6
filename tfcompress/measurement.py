"""Measuring a run whose stages are done: both files, every figure, the report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from tfcompress.chain import Chain
from tfcompress.data import Dataset
from tfcompress.diagnosis import TECHNIQUES, diagnose
from tfcompress.export import Artifact, Export, export_tflite
from tfcompress.naming import snake_case
from tfcompress.profiling.environment import environment
from tfcompress.profiling.latency import latency_ratio
from tfcompress.quality.accuracy import predict
from tfcompress.quality.robustness.robustness import robustness
from tfcompress.recipe import Recipe
from tfcompress.reporting.changed import changed_images
from tfcompress.reporting.facts import artifact_facts, baseline_facts
from tfcompress.reporting.finished_run import CHANGED_IMAGES
from tfcompress.reporting.report import SCHEMA_VERSION, Report
from tfcompress.run import derive_seed
from tfcompress.serialization import encode
from tfcompress.stages import Stage, Training
from tfcompress.storage import write_bytes
from tfcompress.training.progress import Progress

# What diagnosis calls a stage, where that is not the name of its class.
_TECHNIQUE_OF = {"quantization_aware": "qat"}


def measure(
    recipe: Recipe,
    chain: Chain,
    rows: Sequence[Mapping[str, Any]],
    workdir: Path,
    progress: Progress,
) -> Report:
    """Exports the baseline and the artifact, and measures them.

    Every test image goes once through either file; all that the report says of their
    answers comes from that.

    Args:
      recipe: what was done.
      chain: its own stages, complete.
      rows: the report's, of all stages.
      workdir: where the files go, and a picture of the images whose class changed.
      progress: where to tell what is going on.
    """
    data = chain.run.data
    progress.message("exporting and measuring the float32 baseline")
    num_float = len(list(takewhile(lambda s: isinstance(s, Training), recipe.stages)))
    baseline = chain.model_after(num_float)
    file = export_tflite(baseline, workdir / "baseline.tflite", quantization="float32")
    before = predict(file.path, data)
    baseline_part = baseline_facts(baseline, file, before, data.test.labels)
    progress.message(f"exporting and measuring the {recipe.export.quantization} file")
    model = chain.model_after(len(recipe.stages))
    artifact = _export(recipe, model, workdir / "model.tflite", data)
    part = _artifact_part(artifact, model, before, data, workdir)
    if recipe.robustness is not None:
        part["robustness"] = _robustness(
            recipe, artifact.path, data, baseline, progress
        )
    return Report(
        schema_version=SCHEMA_VERSION,
        recipe={"name": recipe.name, "digest": recipe.digest, "seed": recipe.seed},
        environment=environment(num_threads=1),
        data={**data.summary(), "class_names": list(data.class_names)},
        baseline=baseline_part,
        stages=rows,
        artifact=part,
        comparison={},
        skipped=skipped_layers(baseline, recipe.stages, recipe.export),
    ).compared(latency_ratio(file.path, artifact.path, max_seconds=10))


def _export(recipe: Recipe, model: keras.Model, path: Path, data: Dataset) -> Artifact:
    seed = derive_seed(recipe.seed, "calibration")
    options = {part.name: getattr(recipe.export, part.name) for part in fields(Export)}
    return export_tflite(model, path, data, seed=seed, **options)


def _artifact_part(
    artifact: Artifact,
    model: keras.Model,
    before: npt.NDArray[np.float32],
    data: Dataset,
    workdir: Path,
) -> dict[str, Any]:
    after, labels = predict(artifact.path, data), data.test.labels
    part = artifact_facts(artifact, after, labels, predict(model, data))
    changed = changed_images(before, after, data)
    (workdir / CHANGED_IMAGES).unlink(missing_ok=True)
    if changed.picture is not None:
        write_bytes(workdir / CHANGED_IMAGES, changed.picture)
    return {**part, "changed": changed.facts}


def _robustness(
    recipe: Recipe,
    path: Path,
    data: Dataset,
    baseline: keras.Model,
    progress: Progress,
) -> dict[str, Any]:
    progress.message("measuring what images that change do to the accuracy")
    found = robustness(path, data, baseline, recipe.robustness)
    # The path of this machine is of no use to who reads the report elsewhere.
    return {
        "perturbations": encode(recipe.robustness),
        "result": {**found.to_dict(), "model": path.name},
    }


def skipped_layers(
    model: keras.Model, stages: Sequence[Stage], export: Export
) -> list[dict[str, str]]:
    """Returns which layers of a model a technique leaves alone, and why.

    Args:
      model: before compression.
      stages: what is done to it.
      export: how it becomes a file.

    Returns:
      `technique`, `layer` and `why` of each, as `diagnose` says it.
    """
    names = [snake_case(type(stage).__name__) for stage in stages]
    used: dict[str, Stage | Export] = {
        _TECHNIQUE_OF.get(name, name): stage
        for name, stage in zip(names, stages, strict=True)
    }
    if export.quantization == "int8":
        used["int8_export"] = export
    skipped = []
    for row in diagnose(model).rows:
        for technique in TECHNIQUES:
            answer = getattr(row, technique)
            if technique in used and _leaves_alone(answer, used[technique]):
                why = answer.replace("yes, with", "only with")
                part = {"technique": technique, "layer": row.name, "why": why}
                skipped.append(part)
    return sorted(skipped, key=lambda part: TECHNIQUES.index(part["technique"]))


def _leaves_alone(answer: str, settings: Stage | Export) -> bool:
    option = re.search(r"with (\w+)=True", answer)
    return answer.startswith("no:") or bool(
        option and not getattr(settings, option[1], False)
    )
