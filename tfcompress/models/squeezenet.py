"""SqueezeNet 1.1: convolutions that see few channels, and no dense layer."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import arguments, blocks

_STEM_FILTERS = 64
# Filters of the squeeze and of each expand convolution by fire module: version 1.1 of
# the authors' code. A pooling stands before those of _POOLED.
_FIRES = (
    (16, 64),
    (16, 64),
    (32, 128),
    (32, 128),
    (48, 192),
    (48, 192),
    (64, 256),
    (64, 256),
)
_POOLED = (0, 2, 4)


def squeezenet(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds SqueezeNet 1.1; 1,235,496 parameters at the defaults.

    It has no batch normalisation, and no padding in its first convolution and its
    poolings. Its logits are the means of the last convolution's ReLU, so never below 0.
    The kernels cost 349.2 M multiply-accumulates; 352 M are with the biases.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose the stride of the stem and the first poolings
        (`arguments.fitted_strides`), 28x28 ends at 5x5.
      num_classes: at least 2.
      alpha: width multiplier above 0; channels are rounded to multiples of 8.
      dropout: fraction in [0, 1) dropped before the last convolution; the paper has
        0.5.
      num_halvings: strides of 2 to keep, in [0, 4]; None keeps what the input fits.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.squeezenet((28, 28, 1), 10, alpha=0.5)

    References:
      Iandola et al., "SqueezeNet" (arXiv:1602.07360), table 1; the authors' code,
      forresti/SqueezeNet, SqueezeNet_v1.1.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    stem_strides, *strides = _fitted_strides(input_shape, num_halvings)
    inputs = keras.Input(input_shape, name="image")
    x = keras.layers.Conv2D(
        arguments.scaled_channels(_STEM_FILTERS, alpha),
        3,
        stem_strides,
        kernel_initializer="he_normal",
        name="stem_conv",
    )(inputs)
    x = blocks.activation(x, "stem", "relu")
    for index, filters in enumerate(_FIRES):
        name = f"fire{index + 2}"
        if index in _POOLED and strides.pop(0) == 2:
            x = keras.layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
        num_squeezed, num_expanded = (
            arguments.scaled_channels(count, alpha) for count in filters
        )
        x = _fire(x, num_squeezed, num_expanded, name)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    x = _conv_relu(x, num_classes, 1, "head")
    outputs = keras.layers.GlobalAveragePooling2D(name="logits")(x)
    return keras.Model(inputs, outputs, name="squeezenet")


def _fitted_strides(
    input_shape: tuple[int, int, int], num_halvings: int | None
) -> list[int]:
    """As of `arguments.fitted_strides`, for layers without padding."""
    most = len(_POOLED) + 1
    plans = [
        arguments.fitted_strides((2,) * most, input_shape, num)
        for num in range(most + 1)
    ]
    sides = [_last_side(min(input_shape[:2]), strides) for strides in plans]
    if num_halvings is None:
        enough = [s >= arguments.MIN_FEATURE_SIDE for s in sides]
        return plans[max(num for num, is_enough in enumerate(enough) if is_enough)]
    possible = sum(side > 0 for side in sides)
    if num_halvings not in range(possible):
        raise InvalidArgumentError(
            f"num_halvings is {num_halvings!r}: expected None or a whole number from 0 "
            f"to {possible - 1} for an input of {input_shape[0]}x{input_shape[1]}"
        )
    return plans[num_halvings]


def _last_side(side: int, strides: list[int]) -> int:
    side = (side - 3) // strides[0] + 1
    for stride in strides[1:]:
        side = (side - 3) // 2 + 1 if stride == 2 else side
    return side


def _fire(x: Any, num_squeezed: int, num_expanded: int, name: str) -> Any:
    """A 1x1 convolution to few channels, then 1x1 and 3x3 side by side."""
    x = _conv_relu(x, num_squeezed, 1, f"{name}_squeeze")
    sides = [_conv_relu(x, num_expanded, k, f"{name}_expand{k}x{k}") for k in (1, 3)]
    return keras.layers.Concatenate(name=f"{name}_concat")(sides)


def _conv_relu(x: Any, filters: int, kernel_size: int, name: str) -> Any:
    x = blocks.conv(x, filters, kernel_size, 1, name, use_bias=True)
    return blocks.activation(x, name, "relu")
