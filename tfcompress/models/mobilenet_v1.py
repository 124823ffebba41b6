"""MobileNetV1: a stack of depthwise-separable blocks."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import blocks

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
        lose early strides (`blocks.fitted_strides`), 28x28 ends at 4x4.
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
    input_shape = blocks.check_arguments(input_shape, num_classes, alpha, dropout)
    if num_blocks not in range(1, len(_FILTERS) + 1):
        raise InvalidArgumentError(
            f"num_blocks is {num_blocks!r}: expected a whole number from 1 to 13"
        )
    stem_strides, *strides = blocks.fitted_strides(
        _STRIDES[: num_blocks + 1], input_shape, num_halvings
    )
    inputs = keras.Input(input_shape, name="image")
    num_channels = blocks.scaled_channels(_STEM_FILTERS, alpha)
    x = blocks.conv_norm(inputs, num_channels, 3, stem_strides, "stem")
    x = blocks.relu(x, "stem", 6.0)
    for index, filters in enumerate(_FILTERS[:num_blocks]):
        x = blocks.depthwise_separable(
            x,
            blocks.scaled_channels(filters, alpha),
            strides[index],
            f"block{index + 1:02d}",
        )
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="mobilenet_v1")
