"""Chain: stages whose results are committed folders, each made from the one before."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tf_keras as keras

from tfcompress.data import check_model_fits
from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
from tfcompress.ingredients import Architecture, build_model
from tfcompress.loading import load_model, save_model
from tfcompress.loading.live import is_quantized
from tfcompress.naming import snake_case
from tfcompress.profiling import profile
from tfcompress.profiling.latency import measure_together
from tfcompress.quality.accuracy import accuracy, predict
from tfcompress.run import Run, derive_seed
from tfcompress.sensitivity.plots import plot_channels, plot_quantization_errors
from tfcompress.sensitivity.quantization_errors import quantization_errors
from tfcompress.stages import ChannelPruning, Stage
from tfcompress.storage import commit, file_facts, read_manifest, write_json
from tfcompress.training.progress import Progress

_MODEL = "model.keras"


@dataclass(frozen=True)
class Chain:
    """The stages of a recipe, or of one of its teachers, on their way.

    A stage always starts from the file that the one before left, never from the model
    in memory: so a run that was stopped takes the same way as one that was not.

    Args:
      prefix: before the names of the stages' folders; empty for the recipe itself.
      source: the model that the first stage is given.
      stages: in the order in which they run.
      run: data, folder and seed.
    """

    prefix: str
    source: Architecture | str
    stages: Sequence[Stage]
    run: Run

    def names(self) -> list[str]:
        """Returns the name of each stage, which is also its folder's."""
        return [
            f"{self.prefix}{position:02d}_{snake_case(type(stage).__name__)}"
            for position, stage in enumerate(self.stages)
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Returns the report rows of the committed stages, up to the first gap.

        A stage that was made from another model than the one before it left counts
        as not committed.
        """
        rows: list[dict[str, Any]] = []
        source = ""
        for name in self.names():
            manifest = read_manifest(self.run.for_stage(name).stage_dir) or {}
            facts, files = manifest.get("facts", {}), manifest.get("files", {})
            if not {"row", "source"} <= facts.keys() or facts["source"] != source:
                break
            if _MODEL not in files:
                break
            rows.append(facts["row"])
            source = files[_MODEL]["sha256"]
        return rows

    def plan(self) -> list[tuple[str, int]]:
        """Returns name and training steps of each stage that is not committed yet."""
        steps = [
            stage.epochs * self.run.data.steps_per_epoch(stage.batch_size)
            for stage in self.stages
        ]
        return list(zip(self.names(), steps, strict=True))[len(self.rows()) :]

    def model_after(self, num_stages: int) -> keras.Model:
        """Returns the model that the first `num_stages` stages made.

        Raises:
          ModelError: the recipe's own model cannot be read or does not fit the data.
        """
        if num_stages:
            return load_model(self._file(num_stages))
        keras.utils.set_random_seed(derive_seed(self.run.seed, self.prefix, "init"))
        model = build_model(self.source, self.run.data)
        check_model_fits(model, self.run.data)
        return model

    def preflight(self, teachers: Mapping[str, keras.Model], shapes: bool) -> None:
        """Refuses what would fail only when its stage begins.

        Args:
          teachers: models that the stages may name, as they are until now.
          shapes: whether the outputs of layers have the shapes already in which a
            student is compared with a teacher.

        Raises:
          ModelError: the first model cannot be read, or does not fit the data or the
            teachers.
          InvalidArgumentError: a stage cannot be applied to it.
        """
        if len(self.rows()) < len(self.stages):
            model = self.model_after(0)
            for stage in self.stages:
                stage.check(model)
                if objective := getattr(stage, "objective", None):
                    run = replace(self.run, teachers=teachers)
                    objective.check(model, run, shapes)

    def complete(self, progress: Progress) -> list[dict[str, Any]]:
        """Runs and commits the stages that are not yet; returns the rows of all."""
        rows = self.rows()
        names = self.names()
        for position in range(len(rows), len(names)):
            progress.begin(names[position])
            model = self.model_after(position)
            run = self.run.for_stage(names[position])
            source = file_facts(self._file(position))["sha256"] if position else ""
            rows.append(_run_stage(self.stages[position], model, run, source))
            progress.end(names[position], f"top-1 {rows[-1]['top1']:.2%}")
        return rows

    def _file(self, num_stages: int) -> Path:
        return self.run.for_stage(self.names()[num_stages - 1]).stage_dir / _MODEL


def preflight(teachers: Mapping[str, Chain], chain: Chain) -> None:
    """Refuses what would fail only after some of the chains were trained."""
    for learner in (*teachers.values(), chain):
        _check_same_data(learner, teachers)
    models: dict[str, keras.Model] = {}
    stages = [stage for each in (*teachers.values(), chain) for stage in each.stages]
    shapes = not any(isinstance(stage, ChannelPruning) for stage in stages)
    for name, teacher in teachers.items():
        teacher.preflight(models, shapes)
        models[name] = teacher.model_after(len(teacher.rows()))
    chain.preflight(models, shapes)


def _check_same_data(learner: Chain, teachers: Mapping[str, Chain]) -> None:
    """Refuses teachers whose own data taught them to see or to answer otherwise."""
    ours = learner.run.data
    objectives = [getattr(stage, "objective", None) for stage in learner.stages]
    for name in [name for o in objectives if o for name in o.named_teachers]:
        theirs = teachers[name].run.data if name in teachers else ours
        if theirs.value_range != ours.value_range:
            raise ModelError(
                f"The teacher {name!r} has data of value_range={theirs.value_range}, "
                f"its student of {ours.value_range}, at which it answers nonsense; "
                "give both the same."
            )
        classes = list(zip(theirs.class_names, ours.class_names, strict=False))
        # Classes that are only numbered may be those that the other data names.
        sides = zip(*classes, strict=True)
        are_comparable = len({all(map(str.isdigit, names)) for names in sides}) == 1
        for label, (their_class, our_class) in enumerate(classes):
            if are_comparable and their_class != our_class:
                raise ModelError(
                    f"Class {label} is {their_class!r} in the data of the teacher "
                    f"{name!r}, {our_class!r} in its student's; a teacher must have "
                    "the classes of its student, in the same order."
                )


def _run_stage(
    stage: Stage, model: keras.Model, run: Run, source: str
) -> dict[str, Any]:
    started = time.monotonic()
    result = stage(model, run)
    seconds = time.monotonic() - started
    save_model(result, run.stage_dir / _MODEL)
    totals = profile(result).totals
    if totals.macs != profile(model).totals.macs:
        run.note(float_latency_ms=_float_latency(model, result))
    _illustrate(result, run)
    top = accuracy(predict(result, run.data), run.data.test.labels)
    row = {
        "name": run.stage,
        "kind": type(stage).__name__,
        "seconds": seconds + run.facts.pop("seconds_before", 0.0),
        "top1": top.top1,
        "top5": top.top5,
        "params": totals.params,
        "nonzero_params": totals.nonzero_params,
        "sparsity": totals.sparsity,
        "macs": totals.macs,
        "facts": run.facts,
    }
    # Not before the stage is measured: a stop until then costs no epoch.
    shutil.rmtree(run.stage_dir / "checkpoints", ignore_errors=True)
    commit(run.stage_dir, {"row": row, "source": source})
    return row


def _illustrate(model: keras.Model, run: Run) -> None:
    """Draws what a stage removed, and what int8 loses, layer by layer."""
    if "channels" in run.facts:
        figure = plot_channels(run.facts["channels"])
        figure.savefig(run.stage_dir / "channels.png")
    if is_quantized(model.layers):
        errors = quantization_errors(model, run.data)
        figure = plot_quantization_errors(errors)
        figure.savefig(run.stage_dir / "quantization_errors.png")
        write_json(run.stage_dir / "quantization_errors.json", errors.to_dict())
        run.note(worst_layers=[row.to_dict() for row in errors.worst()])


def _float_latency(before: keras.Model, after: keras.Model) -> dict[str, float]:
    """Returns the milliseconds of two models as float32 files, timed together."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("before.tflite", "after.tflite")]
        for model, path in zip((before, after), paths, strict=True):
            export_tflite(model, path, quantization="float32")
        times = measure_together(paths)
    return dict(zip(("before", "after"), times, strict=True))
