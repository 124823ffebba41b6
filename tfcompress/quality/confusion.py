"""Confusion matrices: how often each class was taken for each other one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.errors import InvalidArgumentError

Integers = npt.NDArray[np.integer[Any]]


def confusion_matrix(
    labels: Integers, predicted: Integers, num_classes: int
) -> npt.NDArray[np.int64]:
    """Counts pairs of a label and a prediction.

    Args:
      labels: class ids in [0, num_classes), of any shape.
      predicted: class ids, of the same shape.
      num_classes: number of classes.

    Returns:
      Counts of shape `(num_classes, num_classes)`: rows are labels, columns are
      predictions.

    Raises:
      InvalidArgumentError: shapes differ, or an id is no integer or out of range.
    """
    if labels.shape != predicted.shape:
        raise InvalidArgumentError(
            f"labels have the shape {labels.shape} and predictions {predicted.shape}; "
            "expected two equal ones, a class id each"
        )
    for what, ids in (("labels", labels), ("predictions", predicted)):
        check_class_ids(what, ids, num_classes)
    pairs = labels.astype(np.int64).ravel() * num_classes + predicted.ravel()
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def check_class_ids(what: str, ids: npt.NDArray[Any], num_classes: int) -> None:
    """Raises unless all are integers in [0, num_classes).

    Args:
      what: they are, for the message.
      ids: of any shape.
      num_classes: number of classes.

    Raises:
      InvalidArgumentError: says which values there are.
    """
    if not np.issubdtype(ids.dtype, np.integer):
        raise InvalidArgumentError(
            f"{what} are of type {ids.dtype}; expected integers, class ids in "
            f"[0, {num_classes})"
        )
    if ids.size and (ids.min() < 0 or ids.max() >= num_classes):
        raise InvalidArgumentError(
            f"{what} reach from {ids.min()} to {ids.max()}; expected class ids in "
            f"[0, {num_classes})"
        )
