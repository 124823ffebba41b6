"""A check that a teacher fits its student, before it is asked for anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfcompress.errors import ModelError
from tfcompress.training.logits import check_outputs_logits


def check_teacher_fits(teacher: Any, student: Any) -> None:
    """Raises ModelError if the student cannot learn from the teacher's logits.

    Args:
      teacher: tf_keras model; where it takes images of any size, those of the
        student's are among them.
      student: tf_keras model of known input and output shape.
    """
    # Those that are subclassed, or were never built, know no shapes.
    if not hasattr(teacher, "input_shape"):
        raise ModelError(
            f"The teacher {teacher.name!r} has no known input shape, expected a "
            "functional model; rebuild it: keras.Model(inputs, model.call(inputs))."
        )
    if not all(np.isfinite(weight).all() for weight in teacher.get_weights()):
        raise ModelError(
            f"The teacher {teacher.name!r} has weights that are NaN or infinite, so "
            "nothing can be learnt from it; train it again, or name another one."
        )
    check_outputs_logits(teacher, "teacher")
    for what in ("input_shape", "output_shape"):
        theirs, ours = getattr(teacher, what), getattr(student, what)[1:]
        theirs = theirs[1:] if isinstance(theirs, tuple) else theirs
        if not _admits(theirs, ours):
            raise ModelError(
                f"The teacher {teacher.name!r} has {what} {theirs}, the student "
                f"{student.name!r} has {ours}; a teacher must be trained on the "
                "same data set at the same image size."
            )
    _check_apart(teacher, student)


def _admits(shape: Any, size: tuple[int | None, ...]) -> bool:
    """Returns whether a shape, in which None is any size, is that of one tensor."""
    return len(shape) == len(size) and all(
        side in (None, wanted) for side, wanted in zip(shape, size, strict=True)
    )


def _check_apart(teacher: Any, student: Any) -> None:
    mine = {id(weight) for weight in student.weights}
    if any(id(weight) in mine for weight in teacher.weights):
        raise ModelError(
            f"The teacher {teacher.name!r} shares variables with the student and "
            "would be trained with it; give a copy of the model as teacher."
        )
