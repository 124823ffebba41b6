"""Mean teacher: the student's own moving average, which teaches it."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.field_types import check_types, refusal
from tfcompress.loading.live import is_quantized


@dataclass(frozen=True)
class MeanTeacher:
    """A teacher that follows its student: `teacher = m teacher + (1 - m) student`.

    It starts as a copy and is averaged after each step, over weights and statistics;
    `m` is `momentum`, and at step `t` (from 0) not above `t / (t + 1)`, so that the
    first steps are soon forgotten. It takes a forward pass at every step.

    Args:
      momentum: in [0, 1).

    Raises:
      InvalidArgumentError: the value is outside its range.

    Example:
      >>> objective = tfc.Distillation(tfc.MeanTeacher(momentum=0.999))

    References:
      Tarvainen and Valpola, "Mean teachers are better role models", arXiv 1703.01780,
      section 2, equation 1; the first steps as in the authors' code.
    """

    momentum: float = 0.999

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 <= self.momentum < 1:
            raise refusal(self, "momentum", "in [0, 1); 0.99 to 0.999 is usual.")


def copy_of(student: keras.Model) -> keras.Model:
    """Returns a copy with equal weights, which may be in wrappers of pruning.

    Raises:
      ModelError: the student is quantized.
    """
    if is_quantized(student.layers):
        raise ModelError(
            f"The model {student.name!r} is quantized and cannot have a MeanTeacher; "
            "let it learn from the float model it was made from."
        )
    teacher = keras.models.clone_model(student)
    teacher.set_weights(student.get_weights())
    return teacher


def follow(
    teacher: keras.Model, student: keras.Model, momentum: float, step: tf.Tensor
) -> None:
    """Moves a teacher towards its student, after a step.

    Args:
      teacher: a copy of the student.
      student: as it is after the step.
      momentum: in [0, 1).
      step: the number of steps made, this one included.
    """
    made = tf.cast(step - 1, tf.float32)
    kept = tf.minimum(momentum, made / (made + 1.0))
    for theirs, ours in zip(teacher.weights, student.weights, strict=True):
        mean = kept * theirs + (1.0 - kept) * ours if ours.dtype.is_floating else ours
        theirs.assign(mean)
