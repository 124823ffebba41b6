"""Mean IoU: how well predicted regions cover those of the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.errors import InvalidArgumentError
from tfcompress.quality.confusion import confusion_matrix


@dataclass(frozen=True, eq=False)
class Segmentation:
    """How well the regions of each class are found.

    Args:
      mean_iou: mean of `iou` over the classes that occur, in [0, 1].
      iou: intersection over union of each class, in [0, 1], shape `(num_classes,)`; NaN
        for a class that neither labels nor predictions have.
      pixel_accuracy: share of the pixels, in [0, 1], whose class is right.
      confusion: number of pixels by label (row) and predicted class (column).
    """

    mean_iou: float
    iou: npt.NDArray[np.float64]
    pixel_accuracy: float
    confusion: npt.NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values; null for a class that does not occur."""
        shares = self.iou.tolist()
        return {
            "mean_iou": self.mean_iou,
            "iou": [None if np.isnan(share) else share for share in shares],
            "pixel_accuracy": self.pixel_accuracy,
            "confusion": self.confusion.tolist(),
        }


def mean_iou(
    outputs: npt.NDArray[Any],
    labels: npt.NDArray[np.integer[Any]],
    ignored_label: int | None = None,
) -> Segmentation:
    """Measures a segmentation by the intersection over union of each class.

    Pixels of all images are counted together: a class has

        IoU = true positives / (true positives + false positives + false negatives)

    Args:
      outputs: a score for each class and pixel, shape
        `(num_images, height, width, num_classes)`; the largest is the prediction, the
        first of equal ones.
      labels: class ids in [0, num_classes), shape `(num_images, height, width)`.
      ignored_label: pixels of this label do not count, such as 255; None counts all.

    Raises:
      InvalidArgumentError: shapes do not go together, an output is NaN, a label is out
        of range, or no pixel is left.

    Example:
      >>> tfc.mean_iou(model.predict(images), masks, ignored_label=255).mean_iou

    References:
      Everingham et al., The Pascal Visual Object Classes Challenge: A Retrospective,
      IJCV 2015, section 3.4.
    """
    if outputs.ndim < 2 or outputs.shape[:-1] != labels.shape or not outputs.size:
        raise InvalidArgumentError(
            f"outputs have the shape {outputs.shape} and labels {labels.shape}; "
            "expected (num_images, height, width, num_classes) and (num_images, "
            "height, width), not empty"
        )
    if np.isnan(outputs).any():
        raise InvalidArgumentError(
            f"outputs are NaN at {np.isnan(outputs).any(axis=-1).sum()} of "
            f"{labels.size} pixels; expected a number for each class: a model that "
            "gives these is broken"
        )
    counted = np.ones(labels.shape, bool)
    if ignored_label is not None:
        counted = labels != ignored_label
    if not counted.any():
        raise InvalidArgumentError(
            f"every pixel has the label {ignored_label}, which is ignored; give labels "
            "with other classes too"
        )
    predicted = outputs.argmax(axis=-1)
    confusion = confusion_matrix(labels[counted], predicted[counted], outputs.shape[-1])
    right = confusion.diagonal()
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - right
    with np.errstate(invalid="ignore"):
        iou = right / union
    return Segmentation(
        mean_iou=float(np.nanmean(iou)),
        iou=iou,
        pixel_accuracy=float(right.sum() / confusion.sum()),
        confusion=confusion,
    )
