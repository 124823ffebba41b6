"""MobileNetV2: inverted bottlenecks with linear outputs."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.models import arguments, blocks

_STEM_FILTERS = 32
_HEAD_FILTERS = 1280
# expansion, filters, number of blocks, stride of the first: table 2 of the paper.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds MobileNetV2; 3,538,984 parameters at the defaults.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose early strides (`arguments.fitted_strides`), 28x28 ends at 4x4.
      num_classes: at least 2.
      alpha: width multiplier above 0; channels are rounded to multiples of 8, and the
        last convolution has never less than 1280.
      dropout: fraction in [0, 1) dropped before the last layer.
      num_halvings: strides of 2 to keep, in [0, 5]; None keeps what the input fits.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.mobilenet_v2((28, 28, 1), 10, alpha=0.35, dropout=0.2)

    References:
      Sandler et al., "MobileNetV2" (arXiv:1801.04381), table 2.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    plan = [
        (expansion, arguments.scaled_channels(filters, alpha), strides if n == 0 else 1)
        for expansion, filters, num_blocks, strides in _STAGES
        for n in range(num_blocks)
    ]
    stem_strides, *strides = arguments.fitted_strides(
        [2, *(block[2] for block in plan)], input_shape, num_halvings
    )
    inputs = keras.Input(input_shape, name="image")
    num_channels = arguments.scaled_channels(_STEM_FILTERS, alpha)
    x = blocks.standard(inputs, num_channels, 3, stem_strides, "stem", "relu6")
    for index, (expansion, filters, _) in enumerate(plan):
        settings = blocks.InvertedResidual(
            x.shape[-1] * expansion, filters, strides[index]
        )
        x = blocks.inverted_residual(x, settings, f"block{index + 1:02d}")
    num_channels = arguments.scaled_channels(_HEAD_FILTERS, max(alpha, 1.0))
    x = blocks.standard(x, num_channels, 1, 1, "head", "relu6")
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="mobilenet_v2")
