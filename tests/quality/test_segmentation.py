import keras
import numpy as np
import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.quality.segmentation import mean_iou

LABELS = np.array([[[0, 0, 1, 1]]])


def scores(predicted, num_classes=3):
    return np.eye(num_classes)[np.array(predicted)]


def test_iou_is_intersection_over_union_of_classes_that_occur():
    result = mean_iou(scores([[[0, 1, 1, 1]]]), LABELS)
    # Class 0: 1 pixel of 2; class 1: 2 of 3; class 2 is nowhere.
    np.testing.assert_allclose(result.iou, [1 / 2, 2 / 3, np.nan])
    assert result.mean_iou == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result.pixel_accuracy == 3 / 4
    assert result.confusion.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert result.to_dict()["iou"][2] is None


def test_a_class_that_is_only_predicted_counts_as_zero():
    result = mean_iou(scores([[[0, 0, 1, 2]]]), LABELS)
    assert result.iou.tolist() == [1, 1 / 2, 0]


def test_ignored_pixels_do_not_count():
    labels = np.array([[[0, 255, 1, 1]]], np.uint8)
    result = mean_iou(scores([[[0, 2, 1, 1]]]), labels, ignored_label=255)
    assert result.mean_iou == 1
    assert result.confusion.sum() == 3


@pytest.mark.parametrize("ignored", [None, 1])
def test_it_is_what_keras_measures(ignored):
    random = np.random.default_rng(0)
    outputs = random.normal(size=(3, 8, 9, 5)).astype(np.float32)
    labels = random.integers(0, 4, (3, 8, 9))
    reference = keras.metrics.MeanIoU(5, ignore_class=ignored, sparse_y_pred=False)
    reference.update_state(labels, outputs)
    result = mean_iou(outputs, labels, ignored)
    assert result.mean_iou == pytest.approx(float(reference.result()), abs=1e-6)


@pytest.mark.parametrize(
    ("outputs", "labels", "ignored", "message"),
    [
        (scores([[[0, 0]]]), LABELS, None, r"\(1, 1, 2, 3\) and labels \(1, 1, 4\)"),
        (np.full((1, 1, 4, 3), np.nan), LABELS, None, "NaN at 4 of 4 pixels"),
        (scores([[[0] * 4]]), LABELS + 2, None, "labels reach from 2 to 3"),
        (scores([[[0] * 4]]), LABELS * 0, 0, "every pixel has the label 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(outputs, labels, ignored, message):
    with pytest.raises(InvalidArgumentError, match=message):
        mean_iou(outputs, labels, ignored)
