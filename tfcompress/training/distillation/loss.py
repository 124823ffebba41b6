"""DistillationLoss: one thing that a student learns from its teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import tensorflow as tf

from tfcompress.errors import ModelError
from tfcompress.field_types import check_types
from tfcompress.naming import snake_case

# The key of a model's own output beside those of its layers.
LOGITS = ""
Outputs: TypeAlias = Mapping[str, tf.Tensor]
Shapes: TypeAlias = Mapping[str, tuple[int | None, ...]]


class DistillationLoss:
    """Compares what teacher and student compute from the same images.

    A subclass is a frozen dataclass without state. It reads the logits, or the outputs
    of the pairs of layers that it names.
    """

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Names of the layers it reads, as (student's, teacher's)."""
        return ()

    @property
    def name(self) -> str:
        """What its curve is called: `feature_distillation_block5`."""
        kind = snake_case(type(self).__name__)
        return "_".join([kind, *(layer for layer, _ in self.pairs)])

    def reconcile(self, student: Shapes, teacher: Shapes) -> dict[str, int]:
        """Returns the number of channels that layers are projected to, by name.

        The projections are learnt with the student, and its outputs come through them.

        Args:
          student: shapes, with the batch, of the student's layers in `pairs`.
          teacher: likewise of the teacher's.

        Raises:
          ModelError: the outputs of a pair cannot be compared.
        """
        return {}

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the loss as one number, 0 where the student has learnt all.

        Args:
          teacher: float32 tensors by layer name, and `LOGITS`.
          student: likewise, of the same images in the same order.
          labels: class ids, as many as there are images (or pixels).
        """
        raise NotImplementedError


@dataclass(frozen=True)
class LayerLoss(DistillationLoss):
    """Base of losses that compare the outputs of one layer of each model.

    Args:
      student_layer: name of the student's layer. Layers in wrappers of pruning,
        clustering and QAT keep the name they had without.
      teacher_layer: name of the teacher's layer.
    """

    student_layer: str
    teacher_layer: str

    def __post_init__(self) -> None:
        check_types(self)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The one pair."""
        return ((self.student_layer, self.teacher_layer),)


def wrong_weights(weights: Sequence[Any], hard_weight: Any) -> tuple[str, str] | None:
    """Returns which setting has weights that say nothing, and what it must be.

    Args:
      weights: of the losses: numbers, or schedules, which are taken to be above 0.
      hard_weight: of the labels' loss, likewise.
    """
    for name, values in (("losses", weights), ("hard_weight", [hard_weight])):
        if any(isinstance(w, float | int) and w < 0 for w in values):
            return name, "weighted by 0 or more."
    if not any([*weights, hard_weight]):
        return "losses", "weighted above 0 in sum, or nothing is learnt."
    return None


def mismatch(loss: Any, student: Shapes, teacher: Shapes, expected: str) -> ModelError:
    """Returns the error for a pair of layers whose shapes cannot be reconciled."""
    ours, theirs = (
        ", ".join(f"{name!r} {shape}" for name, shape in shapes.items())
        for shapes in (student, teacher)
    )
    return ModelError(
        f"{type(loss).__name__} cannot compare the student's {ours} with the teacher's "
        f"{theirs}: expected {expected}; name other layers."
    )
