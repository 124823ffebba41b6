"""Accuracy: what a model or file answers on a whole split, how often it is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling.litert import LITERT, Engine
from tfcompress.quality.calibration_error import (
    confidence_of,
    expected_calibration_error,
)
from tfcompress.quality.confusion import check_class_ids, confusion_matrix
from tfcompress.quality.inference import (
    answers,
    batch_size_for,
    name_of,
    open_model,
)

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset
    from tfcompress.training.progress import Progress


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How often a model is right, which classes it confuses, and how sure it is.

    Args:
      top1: share of examples, in [0, 1], whose class gets the largest output.
      top5: share of examples, in [0, 1], whose class is among the five largest.
      num_examples: number of examples judged.
      per_class: share of the examples of each class that are right, in [0, 1], shape
        `(num_classes,)`; NaN for a class without examples.
      confusion: number of examples by label (row) and predicted class (column), shape
        `(num_classes, num_classes)`.
      calibration_error: mean distance between confidence and accuracy, in [0, 1], as
        `expected_calibration_error` defines it, with 15 bins.
    """

    top1: float
    top5: float
    num_examples: int
    per_class: npt.NDArray[np.float64]
    confusion: npt.NDArray[np.int64]
    calibration_error: float

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values; null for a class without examples."""
        shares = self.per_class.tolist()
        return {
            "top1": self.top1,
            "top5": self.top5,
            "num_examples": self.num_examples,
            "per_class": [None if np.isnan(share) else share for share in shares],
            "confusion": self.confusion.tolist(),
            "calibration_error": self.calibration_error,
        }


def evaluate(
    model_or_path: Any,
    data: Dataset,
    split: str = "test",
    progress: Progress | None = None,
) -> Accuracy:
    """Measures the accuracy of a Keras model, Keras file or .tflite file.

    A .tflite file is run by LiteRT, as it would be on a device.

    Args:
      model_or_path: a live model, or a path.
      data: its labels are what is right.
      split: `train`, `validation` or `test`.
      progress: where to tell how far it is; None is silent.

    Raises:
      ModelError: the model cannot be read or run, does not fit the data, or answers
        NaN.

    Example:
      >>> result = tfc.evaluate("model.tflite", data)
      >>> result.top1, result.per_class.min(), result.calibration_error
    """
    logits = predict(model_or_path, data, split, progress)
    return accuracy(logits, getattr(data, split).labels)


def predict(
    model_or_path: Any,
    data: Dataset,
    split: str = "test",
    progress: Progress | None = None,
    engine: Engine = LITERT,
) -> npt.NDArray[np.float32]:
    """Returns the outputs of a model for all of a split, in order.

    Args:
      model_or_path: a live model, or the path of a Keras or .tflite file.
      data: the images.
      split: `train`, `validation` or `test`.
      progress: where to tell how far it is; None is silent.
      engine: runs a .tflite file.

    Returns:
      Real-valued outputs of shape `(num_examples, num_classes)`.

    Raises:
      ModelError: the model cannot be read or run, does not fit the data, or answers
        NaN.
    """
    opened = open_model(model_or_path, data)
    batch_size = batch_size_for(data.input_shape)
    images = data.batches(split, batch_size).map(lambda image, label: image)
    outputs = answers(opened, images.as_numpy_iterator(), batch_size, engine)
    if progress is not None:
        outputs = counted(outputs, len(images), name_of(opened), progress)
    return np.concatenate(list(outputs))


def counted(
    batches: Iterable[Any], num_batches: int, name: str, progress: Progress
) -> Iterator[Any]:
    """Yields batches, and tells how many of them are done.

    Args:
      batches: whatever takes the time.
      num_batches: how many there will be.
      name: of the work.
      progress: where to tell.
    """
    progress.plan([(name, num_batches)])
    progress.begin(name)
    try:
        for batch in batches:
            progress.step()
            yield batch
    finally:
        progress.end(name)
        progress.close()


def accuracy(
    logits: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.integer[Any]]
) -> Accuracy:
    """Counts how often the label gets the largest, or one of the five largest, logits.

    Of equal logits the first class wins, as in `argmax`. Confidence is the softmax of
    logits; outputs in [0, 1] that sum to 1 are taken for probabilities as they are.

    Args:
      logits: shape `(num_examples, num_classes)`.
      labels: class ids in [0, num_classes), shape `(num_examples,)`.

    Raises:
      InvalidArgumentError: their shapes do not go together, a label is out of range,
        or a logit is NaN or infinite.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise InvalidArgumentError(
            f"logits have the shape {logits.shape} and labels {labels.shape}; "
            "expected (num_examples, num_classes) and (num_examples,), not empty"
        )
    if not np.isfinite(logits).all():
        broken = int((~np.isfinite(logits).all(axis=1)).sum())
        raise InvalidArgumentError(
            f"logits of {broken} of {len(logits)} examples are NaN or infinite; "
            "expected numbers: a model that gives these is broken"
        )
    num_classes = logits.shape[1]
    check_class_ids("labels", labels, num_classes)
    own = np.take_along_axis(logits, labels[:, np.newaxis].astype(np.int64), axis=1)
    earlier = np.arange(num_classes) < labels[:, np.newaxis]
    rank = np.sum((logits > own) | (logits == own) & earlier, axis=1)
    confusion = confusion_matrix(labels, logits.argmax(axis=1), num_classes)
    with np.errstate(invalid="ignore"):
        per_class = confusion.diagonal() / confusion.sum(axis=1)
    return Accuracy(
        top1=float(np.mean(rank < 1)),
        top5=float(np.mean(rank < 5)),
        num_examples=len(labels),
        per_class=per_class,
        confusion=confusion,
        calibration_error=expected_calibration_error(confidence_of(logits), rank < 1),
    )


def agreement(
    logits_a: npt.NDArray[np.floating[Any]], logits_b: npt.NDArray[np.floating[Any]]
) -> float:
    """Returns the share of examples, in [0, 1], that both models give the same class.

    Raises:
      InvalidArgumentError: the shapes differ.
    """
    if logits_a.shape != logits_b.shape or not len(logits_a):
        raise InvalidArgumentError(
            f"logits have the shapes {logits_a.shape} and {logits_b.shape}; expected "
            "two equal ones (num_examples, num_classes), not empty"
        )
    return float(np.mean(logits_a.argmax(axis=1) == logits_b.argmax(axis=1)))
