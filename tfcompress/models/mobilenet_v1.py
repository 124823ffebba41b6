"""MobileNetV1: a stack of depthwise-separable blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import arguments, blocks

_STEM_FILTERS = 32
_FILTERS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


def mobilenet_v1(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    num_halvings: int | None = None,
    num_blocks: int = 13,
) -> keras.Model:
    """Builds MobileNetV1; 4,253,864 parameters at the defaults.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose early strides (`arguments.fitted_strides`), 28x28 ends at 4x4.
      num_classes: at least 2.
      alpha: width multiplier above 0; channels are rounded to multiples of 8.
      dropout: fraction in [0, 1) dropped before the last layer.
      num_halvings: strides of 2 to keep, in [0, 5]; None keeps what the input fits.
      num_blocks: how many of the 13 blocks to build, from the first; a shallow net
        learns faster where images are few and small.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.mobilenet_v1((28, 28, 1), 10, alpha=0.25).count_params()
      220970

    References:
      Howard et al., "MobileNets" (arXiv:1704.04861), table 1.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    if num_blocks not in range(1, len(_FILTERS) + 1):
        raise InvalidArgumentError(
            f"num_blocks is {num_blocks!r}: expected a whole number from 1 to 13"
        )
    strides = arguments.fitted_strides(
        _STRIDES[: num_blocks + 1], input_shape, num_halvings
    )
    inputs = keras.Input(input_shape, name="image")
    x = _features(inputs, strides, alpha, "relu6", use_bias=False)
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="mobilenet_v1")


def mobilenet_v1_tiny(
    input_shape: tuple[int, int, int] = (96, 96, 3),
    num_classes: int = 2,
    alpha: float = 0.25,
    dropout: float = 0.0,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds the MobileNetV1 of MLPerf Tiny; 221,794 parameters at the defaults.

    There it tells pictures with a person from others. It differs from `mobilenet_v1` in
    that its convolutions carry biases, and in ReLU for ReLU6.

    Args, Returns, Raises: as of `mobilenet_v1`.

    Example:
      >>> tfc.models.mobilenet_v1_tiny((96, 96, 3), 2)

    References:
      Banbury et al., "MLPerf Tiny Benchmark" (arXiv:2106.07597), section 4.1.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    strides = arguments.fitted_strides(_STRIDES, input_shape, num_halvings)
    inputs = keras.Input(input_shape, name="image")
    x = _features(inputs, strides, alpha, "relu", use_bias=True)
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="mobilenet_v1_tiny")


def _features(
    x: Any, strides: Sequence[int], alpha: float, kind: str, use_bias: bool
) -> Any:
    """A convolution with the first of the strides, a block with each of the others."""
    num_channels = arguments.scaled_channels(_STEM_FILTERS, alpha)
    x = blocks.conv_norm(x, num_channels, 3, strides[0], "stem", use_bias)
    x = blocks.activation(x, "stem", kind)
    for index, stride in enumerate(strides[1:]):
        filters = arguments.scaled_channels(_FILTERS[index], alpha)
        name = f"block{index + 1:02d}"
        x = blocks.depthwise_separable(x, filters, stride, name, kind, use_bias)
    return x
