"""Mean average precision of object detectors, as COCO defines it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.errors import InvalidArgumentError

Floats = npt.NDArray[np.float64]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found in one image.

    Args:
      boxes: two opposite corners each, `(x_min, y_min, x_max, y_max)`, or x and y the
        other way round in all boxes of all images alike; shape `(num_boxes, 4)`.
      scores: how sure it is of each; shape `(num_boxes,)`.
      classes: class ids from 0; shape `(num_boxes,)`.

    Raises:
      InvalidArgumentError: shapes do not go together, a value is NaN or infinite, a
        corner is on the wrong side, or a class is no integer from 0.
    """

    boxes: npt.NDArray[Any]
    scores: npt.NDArray[Any]
    classes: npt.NDArray[Any]

    def __post_init__(self) -> None:
        _check(self, "classes", "scores")


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """What there is to be found in one image.

    Args:
      boxes: as in `Detections`.
      classes: class ids from 0; shape `(num_boxes,)`.
      is_crowd: whether a box holds a crowd of objects, to find which counts neither
        for nor against; shape `(num_boxes,)`; None where none does.

    Raises:
      InvalidArgumentError: as for `Detections`.
    """

    boxes: npt.NDArray[Any]
    classes: npt.NDArray[Any]
    is_crowd: npt.NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if self.is_crowd is None:
            object.__setattr__(
                self, "is_crowd", np.zeros(np.shape(self.boxes)[:1], bool)
            )
        _check(self, "classes", "is_crowd")


@dataclass(frozen=True, eq=False)
class DetectionQuality:
    """How well objects are found.

    Args:
      mean_ap: average precision, mean over classes and IoU thresholds, in [0, 1].
      ap50: the same at an IoU of 0.50 alone.
      ap75: the same at an IoU of 0.75 alone.
      per_class: average precision of each class that has objects, by class id, mean
        over IoU thresholds.
    """

    mean_ap: float
    ap50: float
    ap75: float
    per_class: dict[int, float]


def mean_average_precision(
    detections: Sequence[Detections],
    objects: Sequence[GroundTruth],
    max_detections: int = MAX_DETECTIONS,
) -> DetectionQuality:
    """Measures a detector by COCO's mean average precision.

    At each IoU threshold of 0.50, 0.55, ..., 0.95 the detections of a class, surest
    first, take the object of their image they overlap most, if it is not taken and the
    overlap reaches the threshold. Average precision is the mean, over the recalls 0,
    0.01, ..., 1, of the highest precision at that recall or above. It is that of COCO's
    area range "all"; of classes with no object, nothing is counted.

    Args:
      detections: one for each image; it may be without boxes.
      objects: one for each image, in the same order.
      max_detections: the surest that count, for each image and class.

    Raises:
      InvalidArgumentError: numbers of images differ, or there are no objects.

    Example:
      >>> found = tfc.Detections(boxes, scores, classes)
      >>> there = tfc.GroundTruth(true_boxes, true_classes)
      >>> tfc.mean_average_precision([found], [there]).mean_ap

    References:
      Lin et al., Microsoft COCO: Common Objects in Context, arXiv:1405.0312; the
      definition is https://cocodataset.org/#detection-eval.
    """
    if len(detections) != len(objects):
        raise InvalidArgumentError(
            f"there are detections of {len(detections)} images and objects of "
            f"{len(objects)}; expected one of each for each image"
        )
    if not isinstance(max_detections, int) or max_detections < 1:
        raise InvalidArgumentError(
            f"max_detections={max_detections!r} must be a whole number from 1"
        )
    pairs = list(zip(detections, objects, strict=True))
    present = [each.classes[~_crowd(each)].tolist() for each in objects]
    classes: list[int] = sorted(set(chain.from_iterable(present)))
    if not classes:
        raise InvalidArgumentError(
            "there are no objects to find; expected one at least that is no crowd"
        )
    precision = np.stack(
        [_average_precision(pairs, each, max_detections) for each in classes]
    )
    return DetectionQuality(
        mean_ap=float(precision.mean()),
        ap50=float(precision[:, 0].mean()),
        ap75=float(precision[:, 5].mean()),
        per_class=dict(zip(classes, precision.mean(axis=1), strict=True)),
    )


def _average_precision(
    pairs: Sequence[tuple[Detections, GroundTruth]], class_id: int, max_detections: int
) -> Floats:
    """Returns the average precision of one class at each IoU threshold."""
    scores, hits, ignored, num_objects = [], [], [], 0
    for found, there in pairs:
        mine = np.flatnonzero(found.classes == class_id)
        # Stable: of equal scores the earlier comes first, as in COCO's own program.
        order = np.argsort(-found.scores[mine], kind="stable")
        mine = mine[order[:max_detections]]
        asked = there.classes == class_id
        crowd = _crowd(there)[asked]
        iou = _overlaps(found.boxes[mine], there.boxes[asked], crowd)
        hit, ignore = _match(iou, crowd)
        scores.append(found.scores[mine])
        hits.append(hit)
        ignored.append(ignore)
        num_objects += int((~crowd).sum())
    surest = np.argsort(-np.concatenate(scores), kind="stable")
    hit = np.concatenate(hits, axis=1)[:, surest]
    ignore = np.concatenate(ignored, axis=1)[:, surest]
    return np.array(
        [
            _area_under_curve(one[~unasked], num_objects)
            for one, unasked in zip(hit, ignore, strict=True)
        ]
    )


def _overlaps(
    boxes: npt.NDArray[Any], others: npt.NDArray[Any], crowd: npt.NDArray[np.bool_]
) -> Floats:
    """Returns intersection over union, with a crowd intersection over a box's area."""
    boxes, others = boxes.astype(float)[:, np.newaxis], others.astype(float)
    low = np.maximum(boxes[..., :2], others[:, :2])
    high = np.minimum(boxes[..., 2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    own = np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    theirs = np.prod(others[:, 2:] - others[:, :2], axis=-1)
    union = np.where(crowd, own, own + theirs - shared)
    # Boxes without area overlap nothing.
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _match(
    iou: Floats, crowd: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Gives each detection of an image, surest first, an object.

    Args:
      iou: shape `(num_detections, num_objects)`.
      crowd: shape `(num_objects,)`.

    Returns:
      Whether it found an object, and whether it found a crowd, which does not count;
      both of shape `(num_thresholds, num_detections)`.
    """
    thresholds = IOU_THRESHOLDS[:, np.newaxis]
    rows = np.arange(len(thresholds))
    taken = np.zeros((len(thresholds), len(crowd)), bool)
    hit = np.zeros((len(thresholds), len(iou)), bool)
    ignored = np.zeros_like(hit)
    for place, overlap in enumerate(iou if len(crowd) else ()):
        good = (overlap >= thresholds) & (~taken | crowd)
        # A crowd is for those that find nothing else.
        single = good & ~crowd
        good = np.where(single.any(axis=1, keepdims=True), single, good)
        ranked = np.where(good, overlap, -1.0)
        # Of equal overlaps the last object is taken, as in COCO's own program.
        best = len(crowd) - 1 - ranked[:, ::-1].argmax(axis=1)
        found = good.any(axis=1)
        taken[rows[found], best[found]] = True
        ignored[:, place] = found & crowd[best]
        hit[:, place] = found & ~crowd[best]
    return hit, ignored


def _area_under_curve(hit: npt.NDArray[np.bool_], num_objects: int) -> float:
    """Returns the mean of interpolated precision at 101 recalls."""
    right = np.cumsum(hit)
    recall = right / num_objects
    precision = right / np.arange(1, len(hit) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(highest, 0.0)[places].mean())


def _crowd(objects: GroundTruth) -> npt.NDArray[np.bool_]:
    return np.asarray(objects.is_crowd, bool)


def _check(boxed: Detections | GroundTruth, *columns: str) -> None:
    """Makes arrays of the fields and refuses those that no image can have."""
    name = type(boxed).__name__
    arrays = {key: np.asarray(getattr(boxed, key)) for key in ("boxes", *columns)}
    num_boxes = len(arrays["boxes"]) if arrays["boxes"].ndim else 0
    for key, values in arrays.items():
        shape = (num_boxes, 4) if key == "boxes" else (num_boxes,)
        if values.shape != shape:
            raise InvalidArgumentError(
                f"{name} {key} have the shape {values.shape}; expected {shape}, as "
                f"there are {num_boxes} boxes"
            )
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise InvalidArgumentError(
                f"{name} {key} have NaN or infinite values; expected numbers"
            )
    boxes, classes = arrays["boxes"], arrays["classes"]
    if (boxes[:, :2] > boxes[:, 2:]).any():
        raise InvalidArgumentError(
            f"{name} boxes have a minimum above its maximum; expected (x_min, y_min, "
            "x_max, y_max): COCO's (x, y, width, height) are others"
        )
    if num_boxes and (classes.dtype.kind not in "iu" or classes.min() < 0):
        raise InvalidArgumentError(
            f"{name} classes are {classes.dtype} from {classes.min()}; expected "
            "integers from 0"
        )
    # An empty array of classes is one of floats, unless it is told otherwise.
    for key, values in {**arrays, "classes": classes.astype(np.int64)}.items():
        object.__setattr__(boxed, key, values)
