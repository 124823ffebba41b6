import contextlib
import io

import numpy as np
import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.quality.detection import (
    Detections,
    GroundTruth,
    mean_average_precision,
)

BOX = [0, 0, 10, 10]
FAR = [50, 50, 60, 60]


def found(*boxes, scores=None, classes=None):
    count = len(boxes)
    return Detections(
        np.reshape(boxes, (count, 4)),
        np.array(scores or [1 - 0.1 * place for place in range(count)]),
        np.array(classes or [0] * count),
    )


def there(*boxes, classes=None, is_crowd=None):
    count = len(boxes)
    return GroundTruth(np.reshape(boxes, (count, 4)), classes or [0] * count, is_crowd)


def test_what_is_found_exactly_is_perfect():
    result = mean_average_precision([found(BOX), found()], [there(BOX), there()])
    assert (result.mean_ap, result.ap50, result.ap75) == (1, 1, 1)
    assert result.per_class == {0: 1}


def test_an_overlap_counts_up_to_its_own_threshold():
    # 10 x 8 of 10 x 10: an IoU of 0.8 passes 0.50 to 0.80, 7 of 10 thresholds.
    result = mean_average_precision([found([0, 0, 10, 8])], [there(BOX)])
    assert result.mean_ap == pytest.approx(0.7)
    assert (result.ap50, result.ap75) == (1, 1)


def test_precision_is_interpolated_at_101_recalls():
    # Right, wrong, right: precision 1 to recall 1/2, then 2/3 to recall 1. Of 0, 0.01,
    # ..., 1 there are 51 up to 1/2.
    boxes = found(BOX, [90, 90, 99, 99], FAR)
    result = mean_average_precision([boxes], [there(BOX, FAR)])
    assert result.mean_ap == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_an_object_is_found_once_and_by_the_surest():
    again = found([0, 0, 10, 8], BOX, scores=[0.9, 0.8])
    # At 0.50 to 0.80 the surest finds it; above, the second one does, at precision 1/2.
    result = mean_average_precision([again], [there(BOX)])
    assert result.mean_ap == pytest.approx((7 * 1 + 3 * 1 / 2) / 10)


def test_what_is_missed_and_what_is_not_there_counts_against():
    nothing = mean_average_precision([found()], [there(BOX)])
    assert nothing.mean_ap == 0
    # A false alarm in another image, surer than what is right.
    images = [found(FAR, scores=[0.9]), found(BOX, scores=[0.8])]
    assert mean_average_precision(images, [there(), there(BOX)]).mean_ap == 0.5


def test_classes_count_alike_and_those_without_objects_do_not():
    boxes = found(BOX, FAR, FAR, classes=[0, 1, 7])
    result = mean_average_precision([boxes], [there(BOX, FAR, classes=[0, 2])])
    assert result.per_class == {0: 1, 2: 0}
    assert result.mean_ap == 0.5


def test_a_crowd_counts_neither_for_nor_against():
    crowd = [20, 20, 40, 40]
    objects = there(crowd, BOX, is_crowd=[True, False])
    # Two in the crowd, each within it though far from its size.
    boxes = found([20, 20, 25, 25], [30, 30, 35, 35], BOX)
    assert mean_average_precision([boxes], [objects]).mean_ap == 1


def test_only_the_surest_of_an_image_count():
    wrong = [[x, 90, x + 1, 99] for x in range(100)]
    boxes = found(*wrong, BOX, scores=[0.9] * 100 + [0.1])
    objects = [there(BOX)]
    assert mean_average_precision([boxes], objects).mean_ap == 0
    result = mean_average_precision([boxes], objects, max_detections=101)
    assert result.mean_ap == pytest.approx(1 / 101)


def random_scene(random):
    """Boxes, and detections near them or anywhere, with equal scores among them."""

    def boxes(count):
        corner = random.integers(0, 40, (count, 2))
        return np.concatenate([corner, corner + random.integers(3, 30, (count, 2))], 1)

    count = random.integers(0, 8)
    objects = GroundTruth(
        boxes(count), random.integers(0, 3, count), random.random(count) < 0.2
    )
    near = np.repeat(objects.boxes, 2, axis=0)
    near = near + random.integers(-2, 3, near.shape)
    near[:, 2:] = np.maximum(near[:, :2] + 1, near[:, 2:])
    everything = np.concatenate([near, boxes(random.integers(0, 5))])
    classes = np.concatenate(
        [np.repeat(objects.classes, 2), random.integers(0, 3, len(everything))]
    )[: len(everything)]
    scores = random.random(len(everything)).round(1)
    return Detections(everything, scores, classes), objects


def coco_summary(detections, objects):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entries(images, **columns):
        rows = [
            {"image_id": place, "bbox": [*box[:2], *(box[2:] - box[:2])]}
            | {"category_id": image.classes[row], "area": np.prod(box[2:] - box[:2])}
            | {key: getattr(image, name)[row] for key, name in columns.items()}
            for place, image in enumerate(images)
            for row, box in enumerate(image.boxes.astype(float))
        ]
        return [{"id": number, **row} for number, row in enumerate(rows, 1)]

    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": place} for place in range(len(objects))],
        "categories": [{"id": number} for number in range(3)],
        "annotations": entries(objects, iscrowd="is_crowd"),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(entries(detections, score="scores")))
        judge.params.iouType = "bbox"
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats[:3]


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_pycocotools_measures(seed):
    random = np.random.default_rng(seed)
    detections, objects = zip(*(random_scene(random) for _ in range(12)), strict=True)
    result = mean_average_precision(detections, objects)
    expected = coco_summary(detections, objects)
    assert 0.05 < expected[0] < 0.95
    given = [result.mean_ap, result.ap50, result.ap75]
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Detections([[0, 0, 1]], [1], [0]), r"boxes have the shape \(1, 3\)"),
        (lambda: Detections([BOX], [1, 2], [0]), r"scores have the shape \(2,\)"),
        (lambda: Detections([BOX], [np.nan], [0]), "scores have NaN"),
        (lambda: GroundTruth([[5, 5, 2, 9]], [0]), "minimum above its maximum"),
        (lambda: GroundTruth([BOX], [-1]), "classes are int64 from -1"),
        (lambda: GroundTruth([BOX], [0.5]), "classes are float64"),
        (lambda: mean_average_precision([found()], []), "1 images and objects of 0"),
        (lambda: mean_average_precision([], []), "no objects to find"),
        (
            lambda: mean_average_precision([found()], [there(BOX, is_crowd=[True])]),
            "no objects to find",
        ),
        (
            lambda: mean_average_precision([found()], [there(BOX)], max_detections=0),
            "max_detections=0",
        ),
    ],
)
def test_what_no_image_can_have_is_refused(make, message):
    with pytest.raises(InvalidArgumentError, match=message):
        make()
