"""The building blocks that the architectures share.

Every layer gets its name from the caller: Keras' automatic names count the models
built before in the same process, and would end up in the exported file.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError

MIN_INPUT_SIDE = 8
MIN_FEATURE_SIDE = 3
# Keras' 0.99 still holds two thirds of its initial value after one epoch of 5,000
# images; 0.9 has forgotten it.
NORM_MOMENTUM = 0.9


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
    if not isinstance(alpha, (int, float)) or not 0 < alpha < math.inf:
        raise InvalidArgumentError(
            f"alpha is {alpha!r}: expected a number above 0, such as 0.25, 0.5 or 1.0"
        )
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise InvalidArgumentError(
            f"dropout is {dropout!r}: expected a fraction in [0, 1), such as 0.2"
        )
    return height, width, channels


def scaled_channels(channels: int, alpha: float) -> int:
    """Returns `channels * alpha` as a multiple of 8, less than 10 % below it.

    Multiples of 8 are what the int8 kernels compute at a time.

    Example:
      >>> scaled_channels(32, 0.25), scaled_channels(24, 0.35), scaled_channels(8, 0.1)
      (8, 8, 8)
    """
    wanted = channels * alpha
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


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


def relu(x: Any, name: str, max_value: float | None = None) -> Any:
    """Applies ReLU, or ReLU6 with `max_value=6.0`."""
    return keras.layers.ReLU(max_value, name=f"{name}_relu")(x)


def norm(x: Any, name: str) -> Any:
    """Applies batch normalisation."""
    return keras.layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"{name}_norm")(
        x
    )


def conv(
    x: Any, filters: int, kernel_size: int, strides: int, name: str, use_bias: bool
) -> Any:
    """Applies a convolution with padding that keeps the side divided by strides."""
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=use_bias,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


def conv_norm(
    x: Any,
    filters: int,
    kernel_size: int,
    strides: int,
    name: str,
    use_bias: bool = False,
) -> Any:
    """Standard block: convolution, batch normalisation."""
    return norm(conv(x, filters, kernel_size, strides, name, use_bias), name)


def depthwise_norm(x: Any, strides: int, name: str) -> Any:
    """Depthwise 3x3 convolution, batch normalisation, ReLU6."""
    x = keras.layers.DepthwiseConv2D(
        3, strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    return relu(norm(x, name), name, 6.0)


def depthwise_separable(x: Any, filters: int, strides: int, name: str) -> Any:
    """Depthwise-separable block of MobileNetV1.

    References:
      Howard et al., "MobileNets" (arXiv:1704.04861), figure 3.
    """
    x = depthwise_norm(x, strides, f"{name}_depthwise")
    x = conv_norm(x, filters, 1, 1, f"{name}_pointwise")
    return relu(x, f"{name}_pointwise", 6.0)


def inverted_bottleneck(
    x: Any, filters: int, expansion: int, strides: int, name: str
) -> Any:
    """Bottleneck block of MobileNetV2: expand, depthwise, project, add.

    The input is added when the block keeps its shape.

    References:
      Sandler et al., "MobileNetV2" (arXiv:1801.04381), table 1 and figure 3.
    """
    num_inputs = x.shape[-1]
    y = x
    if expansion != 1:
        y = conv_norm(y, num_inputs * expansion, 1, 1, f"{name}_expand")
        y = relu(y, f"{name}_expand", 6.0)
    y = depthwise_norm(y, strides, f"{name}_depthwise")
    y = conv_norm(y, filters, 1, 1, f"{name}_project")
    if strides == 1 and num_inputs == filters:
        y = keras.layers.Add(name=f"{name}_add")([x, y])
    return y


def logits(x: Any, num_classes: int, dropout: float) -> Any:
    """Head: global average pooling, dropout, one dense layer without softmax."""
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(num_classes, name="logits")(x)
