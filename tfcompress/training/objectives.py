"""Objectives: what a model learns from, besides the labels."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.field_types import check_types, refusal

if TYPE_CHECKING:
    from tfcompress.run import Run


@dataclass(frozen=True)
class Distillation:
    """Learn a teacher's outputs: `alpha T^2 KL(teacher || student) + (1 - alpha) CE`.

    Works in every stage that trains, so a model can be distilled while it is being
    pruned or quantized. The teacher runs in inference mode and is not changed.

    Args:
      teacher: the name of a trained model of the recipe, the path of a model file,
        or a live tf_keras model; its outputs must be logits.
      temperature: divides both models' logits before the softmax; above 0. Higher
        shows more of how the teacher ranks the wrong classes.
      alpha: weight of the teacher against the labels, in [0, 1].

    Raises:
      InvalidArgumentError: a value is outside its range.

    Example:
      >>> stage = tfc.Training(epochs=5, objective=tfc.Distillation("teacher"))

    References:
      Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network",
      arXiv 1503.02531, section 2.
    """

    teacher: str | Path | keras.Model
    temperature: float = 4.0
    alpha: float = 0.9

    def __post_init__(self) -> None:
        check_types(self)
        if self.temperature <= 0:
            raise refusal(self, "temperature", "above 0; 2 to 8 is usual.")
        if not 0 <= self.alpha <= 1:
            raise refusal(
                self,
                "alpha",
                "in [0, 1]; 0 learns from the labels alone, 1 from the teacher alone.",
            )

    def resolve(self, student: Any, run: Run) -> Any:
        """Returns the teacher as a live model that is known to fit the student.

        Raises:
          ModelError: there is no such teacher, or its input shape, its number of
            classes or the kind of its outputs differs from the student's, or it is
            made of the student's own variables.
        """
        teacher = self._find(run)
        check_outputs_logits(teacher, "teacher")
        for what in ("input_shape", "output_shape"):
            theirs, ours = getattr(teacher, what)[1:], getattr(student, what)[1:]
            if theirs != ours:
                raise ModelError(
                    f"The teacher {teacher.name!r} has {what} {theirs}, the student "
                    f"{student.name!r} has {ours}; a teacher must be trained on the "
                    "same data set at the same image size."
                )
        mine = {id(weight) for weight in student.weights}
        if any(id(weight) in mine for weight in teacher.weights):
            raise ModelError(
                f"The teacher {teacher.name!r} shares variables with the student and "
                "would be trained with it; give a copy of the model as teacher."
            )
        return teacher

    def _find(self, run: Run) -> Any:
        if not isinstance(self.teacher, str | Path):
            return self.teacher
        name = str(self.teacher)
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
            f"teachers ({known}).{hint}"
        )


def check_outputs_logits(model: Any, role: str) -> None:
    """Raises ModelError if `model` visibly ends in a softmax.

    Trained as if they were logits, probabilities learn next to nothing, and nothing
    would say so.
    """
    layer = getattr(model, "layers", [None])[-1]
    layer = getattr(layer, "layer", layer)
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    if activation == "softmax" or type(layer).__name__ == "Softmax":
        raise ModelError(
            f"The {role} {model.name!r} outputs probabilities (its last layer "
            f"{layer.name!r} is a softmax), expected logits; build it without the "
            "softmax, such as Dense(num_classes, activation=None)."
        )
