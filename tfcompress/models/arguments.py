"""What the architectures share of their arguments: checks, widths, strides."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np

from tfcompress.errors import InvalidArgumentError

MIN_INPUT_SIDE = 8
MIN_FEATURE_SIDE = 3


def check_arguments(
    input_shape: Sequence[int], num_classes: int, alpha: float, dropout: float
) -> tuple[int, int, int]:
    """Checks the arguments that all architectures share.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels.
      num_classes: at least 2.
      alpha: width multiplier, above 0.
      dropout: in [0, 1).

    Returns:
      `input_shape` as a tuple of three ints.

    Raises:
      InvalidArgumentError: an argument is out of its range.
    """
    try:
        height, width, channels = (operator.index(side) for side in input_shape)
        shape_is_valid = min(height, width) >= MIN_INPUT_SIDE and channels >= 1
    except (TypeError, ValueError):
        shape_is_valid = False
    if not shape_is_valid:
        raise InvalidArgumentError(
            f"input_shape is {input_shape!r}: expected (height, width, channels), "
            f"whole numbers with sides of at least {MIN_INPUT_SIDE}, such as "
            "(28, 28, 1)"
        )
    if not isinstance(num_classes, (int, np.integer)) or num_classes < 2:
        raise InvalidArgumentError(
            f"num_classes is {num_classes!r}: expected a whole number of at least 2"
        )
    is_number = isinstance(alpha, (int, float)) and not isinstance(alpha, bool)
    if not is_number or not 0 < alpha < math.inf:
        raise InvalidArgumentError(
            f"alpha is {alpha!r}: expected a number above 0, such as 0.25, 0.5 or 1.0"
        )
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise InvalidArgumentError(
            f"dropout is {dropout!r}: expected a fraction in [0, 1), such as 0.2"
        )
    return height, width, channels


def scaled_channels(channels: int, alpha: float, divisor: int = 8) -> int:
    """Returns `channels * alpha` as a multiple of `divisor`, less than 10 % below it.

    Multiples of 8 are what the int8 kernels compute at a time.

    Example:
      >>> scaled_channels(32, 0.25), scaled_channels(24, 0.35), scaled_channels(8, 0.1)
      (8, 8, 8)
    """
    wanted = channels * alpha
    rounded = max(divisor, int(wanted + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * wanted else rounded + divisor


def fitted_strides(
    strides: Sequence[int],
    input_shape: Sequence[int],
    num_halvings: int | None = None,
) -> list[int]:
    """Returns `strides` with the earliest 2s made 1, as small inputs need it.

    The rule, unless told otherwise: halve only as often as leaves the last feature map
    at least 3 pixels a side, and give up the first halvings. At 96x96 and above
    nothing changes for a network that halves five times; 28x28 and 32x32 are halved
    three times, to 4x4. Strides carry no weights, so the weights never depend on the
    input size.

    Args:
      strides: stride of each step in order, 1 or 2.
      input_shape: (height, width, channels); the shorter side decides.
      num_halvings: how many of the 2s to keep, whatever the input; more is faster
        and sees less detail. None applies the rule.

    Raises:
      InvalidArgumentError: `num_halvings` is not from 0 to the number of 2s.

    Example:
      >>> fitted_strides([2, 1, 2, 2, 2], (28, 28, 1))
      [1, 1, 2, 2, 2]
    """
    most = strides.count(2)
    if num_halvings is None:
        num_halvings = _num_fitting_halvings(min(input_shape[:2]), most)
    if not isinstance(num_halvings, int) or not 0 <= num_halvings <= most:
        raise InvalidArgumentError(
            f"num_halvings is {num_halvings!r}: expected None or a whole number from "
            f"0 to {most}"
        )
    num_dropped = most - num_halvings
    fitted = list(strides)
    for _ in range(num_dropped):
        fitted[fitted.index(2)] = 1
    return fitted


def _num_fitting_halvings(side: int, most: int) -> int:
    num_halvings = 0
    while num_halvings < most and math.ceil(side / 2) >= MIN_FEATURE_SIDE:
        side = math.ceil(side / 2)
        num_halvings += 1
    return num_halvings
