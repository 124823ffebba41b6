import numpy as np
import pytest
import tensorflow as tf

from tfcompress.errors import InvalidArgumentError
from tfcompress.quality.confusion import check_class_ids, confusion_matrix


def test_rows_are_labels_and_columns_predictions():
    labels, predicted = np.array([0, 0, 0, 2]), np.array([0, 1, 1, 0])
    expected = [[1, 2, 0], [0, 0, 0], [1, 0, 0]]
    assert confusion_matrix(labels, predicted, 3).tolist() == expected


def test_images_count_as_tensorflow_counts_them_flat():
    random = np.random.default_rng(0)
    labels, predicted = random.integers(0, 5, (2, 4, 6, 7), np.uint8)
    expected = tf.math.confusion_matrix(labels.ravel(), predicted.ravel(), 5)
    np.testing.assert_array_equal(confusion_matrix(labels, predicted, 5), expected)


def test_small_integers_do_not_overflow():
    ids = np.full(3, 99, np.uint8)
    assert confusion_matrix(ids, ids, 100)[99, 99] == 3


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [
        ([0, 1], [0], r"shape \(2,\) and predictions \(1,\)"),
        ([0, 3], [0, 0], "labels reach from 0 to 3"),
        ([0, 0], [-1, 0], "predictions reach from -1 to 0"),
        ([0.0, 1.0], [0, 1], "labels are of type float64"),
    ],
)
def test_what_cannot_be_counted_is_refused(labels, predicted, message):
    with pytest.raises(InvalidArgumentError, match=message):
        confusion_matrix(np.array(labels), np.array(predicted), 3)


def test_no_ids_are_none_out_of_range():
    check_class_ids("labels", np.array([], np.int64), 3)
