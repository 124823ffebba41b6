import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import arguments


@pytest.mark.parametrize(
    ("channels", "alpha", "expected"),
    [
        (32, 1.0, 32),
        (32, 0.25, 8),
        (24, 0.35, 8),  # 8.4
        (32, 0.35, 16),  # 11.2: 8 would be more than 10 % below
        (16, 0.01, 8),
        (1280, 1.4, 1792),
    ],
)
def test_scaled_channels(channels, alpha, expected):
    assert arguments.scaled_channels(channels, alpha) == expected


@pytest.mark.parametrize(
    ("channels", "alpha", "divisor", "expected"),
    [
        (72, 0.25, 4, 20),  # 18, half way up
        (184, 0.25, 4, 48),  # 46, half way up
        (240, 0.125, 12, 36),  # 30, half way up
        (272, 0.5, 16, 144),  # 136
        (10, 0.1, 3, 3),  # never without a channel
        (45, 1.0, 40, 80),  # 40 would be more than 10 % below
    ],
)
def test_scaled_channels_of_another_divisor(channels, alpha, divisor, expected):
    assert arguments.scaled_channels(channels, alpha, divisor) == expected


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (224, [2, 2, 1, 2, 2, 2]),  # 112 56 28 14 7
        (96, [2, 2, 1, 2, 2, 2]),  # 48 24 12 6 3
        (64, [1, 2, 1, 2, 2, 2]),  # 32 16 8 4
        (28, [1, 1, 1, 2, 2, 2]),  # 14 7 4
        (8, [1, 1, 1, 1, 1, 2]),  # 4
    ],
)
def test_fitted_strides_drops_the_earliest(side, expected):
    assert arguments.fitted_strides([2, 2, 1, 2, 2, 2], (side, 300, 3)) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (((28, 28), 10, 1.0, 0.0), r"input_shape is \(28, 28\): .*height, width"),
        (((28, 7, 1), 10, 1.0, 0.0), "at least 8"),
        (((28, 28, 0), 10, 1.0, 0.0), "input_shape"),
        (((28.0, 28, 1), 10, 1.0, 0.0), "whole numbers"),
        ((None, 10, 1.0, 0.0), "input_shape is None"),
        (((28, 28, 1), 1, 1.0, 0.0), "num_classes is 1: .*at least 2"),
        (((28, 28, 1), 10, 0.0, 0.0), r"alpha is 0\.0: .*above 0"),
        (((28, 28, 1), 10, float("nan"), 0.0), "alpha is nan"),
        (((28, 28, 1), 10, "1", 0.0), "alpha is '1'"),
        (((28, 28, 1), 10, 1.0, 1.0), r"dropout is 1\.0: .*\[0, 1\)"),
    ],
)
def test_check_arguments_says_what_is_expected(given, message):
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        arguments.check_arguments(*given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("num_halvings", "expected"),
    [(0, [1, 1, 1, 1]), (1, [1, 1, 1, 2]), (2, [1, 1, 2, 2]), (3, [2, 1, 2, 2])],
)
def test_fitted_strides_keeps_as_many_as_asked_for(num_halvings, expected):
    strides = arguments.fitted_strides([2, 1, 2, 2], (8, 8, 1), num_halvings)
    assert strides == expected


@pytest.mark.parametrize("num_halvings", [-1, 4, 1.5])
def test_fitted_strides_refuses_halvings_that_are_not_there(num_halvings):
    with pytest.raises(InvalidArgumentError, match="from 0 to 3"):
        arguments.fitted_strides([2, 1, 2, 2], (8, 8, 1), num_halvings)
