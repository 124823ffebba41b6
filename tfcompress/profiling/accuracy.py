"""Accuracy: what a model or file answers on a whole split, how often it is right."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfcompress.data.model_fit import check_model_fits
from tfcompress.errors import InvalidArgumentError
from tfcompress.loading import load_model
from tfcompress.profiling.litert import run_batches
from tfcompress.profiling.tflite_graph import is_tflite, read_tflite

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

_BATCH_VALUES = 256 * 1024


@dataclass(frozen=True)
class Accuracy:
    """How often a model is right.

    Args:
      top1: share of examples, in [0, 1], whose class gets the largest output.
      top5: share of examples, in [0, 1], whose class is among the five largest.
      num_examples: number of examples judged.
    """

    top1: float
    top5: float
    num_examples: int


def evaluate(model_or_path: Any, data: Dataset, split: str = "test") -> Accuracy:
    """Measures the accuracy of a Keras model, Keras file or .tflite file.

    A .tflite file is run by LiteRT, as it would be on a device.

    Args:
      model_or_path: a live model, or a path.
      data: its labels are what is right.
      split: `train`, `validation` or `test`.

    Raises:
      ModelError: the model cannot be read or run, or does not fit the data.

    Example:
      >>> tfc.evaluate("model.tflite", data).top1
    """
    return accuracy(predict(model_or_path, data, split), getattr(data, split).labels)


def predict(
    model_or_path: Any, data: Dataset, split: str = "test"
) -> npt.NDArray[np.float32]:
    """Returns the outputs of a model for all of a split, in order.

    Args:
      model_or_path: a live model, or the path of a Keras or .tflite file.
      data: the images.
      split: `train`, `validation` or `test`.

    Returns:
      Real-valued outputs of shape `(num_examples, num_classes)`.

    Raises:
      ModelError: the model cannot be read or run, or does not fit the data.
    """
    # Batches of about a megabyte: larger ones leave the processor's cache.
    side = int(np.prod(data.input_shape))
    batch_size = max(1, min(256, _BATCH_VALUES // side))
    images = data.batches(split, batch_size).map(lambda image, label: image)
    if not isinstance(model_or_path, (str, os.PathLike)):
        model = model_or_path
    elif is_tflite(path := Path(model_or_path)):
        graph = read_tflite(path)[0]
        check_model_fits(
            SimpleNamespace(
                name=str(path),
                input_shape=graph.inputs[0].shape,
                output_shape=graph.outputs[0].shape,
            ),
            data,
        )
        numpy_images = images.as_numpy_iterator()
        outputs = run_batches(path, numpy_images, batch_size=batch_size)
        return np.concatenate(list(outputs))
    else:
        model = load_model(path)
    check_model_fits(model, data)
    logits: npt.NDArray[np.float32] = model.predict(images, verbose=0)
    return logits


def accuracy(
    logits: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.integer[Any]]
) -> Accuracy:
    """Counts how often the label gets the largest, or one of the five largest, logits.

    Of equal logits the first class wins, as in `argmax`; NaN is never right.

    Args:
      logits: shape `(num_examples, num_classes)`.
      labels: class ids in [0, num_classes), shape `(num_examples,)`.

    Raises:
      InvalidArgumentError: their shapes do not go together.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise InvalidArgumentError(
            f"logits have the shape {logits.shape} and labels {labels.shape}; "
            "expected (num_examples, num_classes) and (num_examples,), not empty"
        )
    num_classes = logits.shape[1]
    if labels.min() < 0 or labels.max() >= num_classes:
        raise InvalidArgumentError(
            f"labels reach from {labels.min()} to {labels.max()}, the model has "
            f"{num_classes} outputs; expected labels in [0, {num_classes})"
        )
    own = np.take_along_axis(logits, labels[:, np.newaxis].astype(np.int64), axis=1)
    earlier = np.arange(num_classes) < labels[:, np.newaxis]
    # "Not at most" also counts what cannot be compared.
    rank = np.sum(~(logits <= own) | (logits == own) & earlier, axis=1)
    return Accuracy(
        top1=float(np.mean(rank < 1)),
        top5=float(np.mean(rank < 5)),
        num_examples=len(labels),
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
