import math

import numpy as np
import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.quality.calibration_error import (
    are_probabilities,
    confidence_of,
    expected_calibration_error,
)


def test_distance_of_confidence_and_accuracy_is_weighted_by_examples():
    # Bins of 15: 0.9 and 0.92 are in (13/15, 14/15], 0.5 in (7/15, 8/15].
    confidence = np.array([0.90, 0.92, 0.50, 0.50])
    is_right = np.array([True, False, True, True])
    # 2/4 * |1/2 - 0.91| + 2/4 * |1 - 0.5|
    expected = 0.5 * 0.41 + 0.5 * 0.5
    assert expected_calibration_error(confidence, is_right) == pytest.approx(expected)


def test_as_often_right_as_sure_is_no_error():
    confidence = np.full(10, 0.7)
    is_right = np.arange(10) < 7
    assert expected_calibration_error(confidence, is_right) == pytest.approx(0)


def test_bins_contain_their_upper_edge():
    # (0, 0.5] has 0.5, right, and 0.1, wrong: |1 - 0.6| / 2. Apart they would give
    # (0.5 + 0.1) / 2.
    confidence, is_right = np.array([0.5, 0.1]), np.array([True, False])
    error = expected_calibration_error(confidence, is_right, num_bins=2)
    assert error == pytest.approx(0.2)


def test_it_is_the_formula_of_the_paper_bin_by_bin():
    random = np.random.default_rng(0)
    confidence, is_right = random.random(500), random.random(500) < 0.6
    error = 0.0
    for m in range(1, 16):
        inside = ((m - 1) / 15 < confidence) & (confidence <= m / 15)
        if inside.any():
            gap = abs(is_right[inside].mean() - confidence[inside].mean())
            error += inside.sum() / 500 * gap
    assert expected_calibration_error(confidence, is_right) == pytest.approx(error)


def test_confidence_is_the_softmax_of_logits_and_probabilities_as_they_are():
    logits = np.array([[0.0, math.log(3)], [1000, 0]], np.float32)
    np.testing.assert_allclose(confidence_of(logits), [0.75, 1], atol=1e-7)
    # An int8 softmax has steps of 1/256, so that its sums are not quite 1, and a float
    # one may be above 1 by a rounding.
    rounded = np.array([[0.25, 0.74609375], [1 + 1e-6, 0]])
    np.testing.assert_array_equal(confidence_of(rounded), [0.74609375, 1])


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([[0.5, 0.5], [0.9, 0.1]], True),
        ([[0.5, 0.9], [0.9, 0.9]], False),
        ([[2.0, -1.0]], False),
        ([[0.0, 0.0]], False),
    ],
)
def test_probabilities_are_told_by_range_and_sum(outputs, expected):
    assert are_probabilities(np.array(outputs)) is expected


@pytest.mark.parametrize(
    ("confidence", "message"),
    [
        ([], "not empty"),
        ([[0.5]], "shape"),
        ([1.5], r"outside \[0, 1\]"),
        ([math.nan], "NaN"),
    ],
)
def test_what_is_no_confidence_is_refused(confidence, message):
    confidence = np.array(confidence)
    with pytest.raises(InvalidArgumentError, match=message):
        expected_calibration_error(confidence, np.ones(len(confidence), bool))
