"""Objectives: what a model learns from, besides the labels."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import tf_keras as keras

from tfcompress.data import check_input_type
from tfcompress.errors import ModelError
from tfcompress.field_types import check_types, refusal
from tfcompress.training.distillation import (
    DistillationLoss,
    LogitDistillation,
    MeanTeacher,
)
from tfcompress.training.distillation.layer_outputs import outputs_of
from tfcompress.training.distillation.loss import wrong_weights
from tfcompress.training.distillation.mean_teacher import copy_of
from tfcompress.training.schedules import CosineDecay
from tfcompress.training.teacher_fit import check_teacher_fits

if TYPE_CHECKING:
    from tfcompress.run import Run


TeacherSource: TypeAlias = str | Path | keras.Model | MeanTeacher
_TEMPERATURE, _ALPHA = 4.0, 0.9


@dataclass(frozen=True)
class Distillation:
    """Learn from a teacher: `sum(weight * loss) + hard_weight * CE`.

    Works in every stage that trains, so a model can be distilled while it is being
    pruned or quantized. The teacher runs in inference mode and is not changed.

    Without `losses`, it is the classic `alpha T^2 KL(teacher || student) + (1 - alpha)
    CE`, which is short for `losses=((LogitDistillation(temperature), alpha),)` with
    `hard_weight=1 - alpha`.

    Args:
      teacher: the name of a trained model of the recipe, the path of a model file,
        or a live tf_keras model; its outputs must be logits. A tuple of such is one
        teacher with the mean of their logits, a mapping of such to weights one with
        the weighted mean: `{model: 2.0, "b.keras": 1.0}`. A `MeanTeacher` is the
        student's own moving average.
      temperature: divides both models' logits before the softmax; above 0. Higher
        shows more of how the teacher ranks the wrong classes.
      alpha: weight of the teacher against the labels, in [0, 1].
      losses: in place of `temperature` and `alpha`: what is learnt from the teacher,
        each with its weight, 0 or more: a number, or a `CosineDecay` of it over the
        training. Losses that compare layers take a single teacher.
      hard_weight: weight of the labels' loss (CE), likewise; None is `1 - alpha`,
        which is 0.1 beside `losses`. 0 learns nothing from labels: images that have
        none may be given any, but for `DecoupledDistillation`.
      cache: how many augmented views of each image there are, for each of which the
        teacher answers once for all epochs and stages of a run. Without augmentation
        one is enough; a single one of augmented images is soon learnt by heart. 0
        asks the teacher at every step, on ever new views, as is always done for
        losses that compare layers and for a `MeanTeacher`.

    Raises:
      InvalidArgumentError: a value is outside its range.

    Example:
      >>> stage = tfc.Training(epochs=5, objective=tfc.Distillation("teacher"))
      >>> losses = (
      ...     (tfc.LogitDistillation(temperature=4.0), 0.9),
      ...     (tfc.FeatureDistillation("block5", "conv4"), 100.0),
      ... )
      >>> objective = tfc.Distillation("teacher", losses=losses, hard_weight=0.1)

    References:
      Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network",
      arXiv 1503.02531, section 2.
    """

    teacher: TeacherSource | tuple[TeacherSource, ...] | Mapping[TeacherSource, float]
    temperature: float = _TEMPERATURE
    alpha: float = _ALPHA
    losses: tuple[tuple[DistillationLoss, float | CosineDecay], ...] = ()
    hard_weight: float | CosineDecay | None = None
    cache: int = 8

    def __post_init__(self) -> None:
        if any(type(one).__module__.startswith("keras.") for one, _ in self.teachers):
            raise refusal(
                self, "teacher", "a tf_keras model: tfc.load_model makes one."
            )
        check_types(self)
        if any(source == "" for source, _ in self.teachers):
            raise refusal(self, "teacher", "the name of a teacher or of a file.")
        if self.temperature <= 0:
            raise refusal(self, "temperature", "above 0; 2 to 8 is usual.")
        if not 0 <= self.alpha <= 1:
            raise refusal(
                self,
                "alpha",
                "in [0, 1]; 0 learns from the labels alone, 1 from the teacher alone.",
            )
        for name, default in (("temperature", _TEMPERATURE), ("alpha", _ALPHA)):
            if self.losses and getattr(self, name) != default:
                raise refusal(
                    self, name, "left out beside losses: they have their own."
                )
        if self.cache < 0:
            raise refusal(self, "cache", "a number of views, 0 or more.")
        self._check_weights()

    def _check_weights(self) -> None:
        weights = [weight for _, weight in self.terms]
        if wrong := wrong_weights(weights, self.label_weight):
            raise refusal(self, *wrong)
        shares = [share for _, share in self.teachers]
        if min(shares, default=0) < 0 or sum(shares) <= 0:
            raise refusal(
                self, "teacher", "one model at least, and weights above 0 in sum."
            )
        if len(shares) > 1 and any(
            isinstance(source, MeanTeacher) for source, _ in self.teachers
        ):
            raise refusal(self, "teacher", "a MeanTeacher alone, or other models.")
        if len(shares) > 1 and any(loss.pairs for loss, _ in self.terms):
            raise refusal(
                self, "teacher", "a single one for losses that compare its layers."
            )

    @property
    def terms(self) -> tuple[tuple[DistillationLoss, float | CosineDecay], ...]:
        """What is learnt from the teacher, each loss with its weight."""
        return self.losses or ((LogitDistillation(self.temperature), self.alpha),)

    @property
    def label_weight(self) -> float | CosineDecay:
        """The weight of the labels' loss."""
        return 1.0 - self.alpha if self.hard_weight is None else self.hard_weight

    @property
    def teachers(self) -> tuple[tuple[TeacherSource, float], ...]:
        """The teachers, each with its weight among them."""
        if isinstance(self.teacher, Mapping):
            return tuple(self.teacher.items())
        several = self.teacher if isinstance(self.teacher, tuple) else (self.teacher,)
        return tuple((one, 1.0) for one in several)

    @property
    def named_teachers(self) -> list[Any]:
        """The teachers that are models of their own: names, files or live ones."""
        return [one for one, _ in self.teachers if not isinstance(one, MeanTeacher)]

    @property
    def mean_teacher(self) -> MeanTeacher | None:
        """The teacher, if it is to follow the student."""
        return self.teacher if isinstance(self.teacher, MeanTeacher) else None

    @property
    def is_cached(self) -> bool:
        """Whether the teacher answers before the training, not during it."""
        reads_layers = any(loss.pairs for loss, _ in self.terms)
        return self.cache > 0 and not reads_layers and not self.mean_teacher

    def check(self, student: Any, run: Run, shapes: bool = True) -> None:
        """Refuses a teacher, or layers to compare, that do not fit the student.

        Args:
          student: as it is before it is trained, as are the teachers of `run`.
          run: with the teachers.
          shapes: whether the shapes of layers are compared, too; False where they
            may change before the student is trained.

        Raises:
          ModelError: as `resolve`, or layers that a loss names do not exist or fit.
        """
        teacher = self.resolve(student, run)
        for loss, _ in self.terms:
            ours, theirs = zip(*loss.pairs, strict=True) if loss.pairs else ((), ())
            _, student_shapes = outputs_of(student, ours, "student")
            _, teacher_shapes = outputs_of(teacher, theirs, "teacher")
            if shapes:
                loss.reconcile(student_shapes, teacher_shapes)

    def resolve(self, student: Any, run: Run) -> Any:
        """Returns the teacher as a live model that is known to fit the student.

        Raises:
          ModelError: there is no such teacher, or its input shape, its number of
            classes or the kind of its outputs differs from the student's, or it is
            made of the student's own variables, or takes another type of images.
        """
        if self.mean_teacher:
            return copy_of(student)
        models = [_find(source, run) for source, _ in self.teachers]
        for model in models:
            check_teacher_fits(model, student)
            check_input_type(model, run.data)
        if len(models) == 1:
            return models[0]
        shares = [share for _, share in self.teachers]
        return _mean_of(models, shares, student.input_shape[1:])


def _find(source: TeacherSource, run: Run) -> Any:
    if not isinstance(source, str | Path):
        return source
    name = str(source)
    if name in run.teachers:
        return run.teachers[name]
    if Path(name).exists():
        from tfcompress.loading import load_model

        return load_model(name)
    near = difflib.get_close_matches(name, run.teachers, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    known = ", ".join(map(repr, run.teachers)) or "none"
    raise ModelError(
        f"There is no teacher {name!r}: it is neither a file nor one of the run's "
        f"teachers ({known}); name one of them or the path of a model file.{hint}"
    )


def _mean_of(
    models: Sequence[keras.Model],
    shares: Sequence[float],
    input_shape: tuple[int | None, ...],
) -> keras.Model:
    """Returns one model with the weighted mean of the logits of several."""
    image = keras.Input(input_shape)
    parts = []
    for place, (model, share) in enumerate(zip(models, shares, strict=True)):
        # Two teachers may have one name.
        renamed = keras.Model(model.inputs, model.outputs, name=f"teacher_{place}")
        part = keras.layers.Rescaling(share / sum(shares))(renamed(image))
        parts.append(part)
    return keras.Model(image, keras.layers.add(parts), name="mean_of_teachers")
