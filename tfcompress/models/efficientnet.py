"""EfficientNet-B0 and EfficientNet-Lite0."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from tfcompress.models import arguments, blocks

_STEM_FILTERS = 32
_HEAD_FILTERS = 1280
# Ratio of expansion, filters, number of blocks, stride of the first, kernel size: table
# 1 of the paper.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def efficientnet_b0(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds EfficientNet-B0; 5,330,564 parameters at the defaults.

    Without the preprocessing layers of `keras.applications`, which hold 7 more, and
    without stochastic depth, which acts in training only. The paper says 390 M
    multiply-accumulates; the kernels of these layers cost 385.8 M.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose early strides (`arguments.fitted_strides`), 28x28 ends at 4x4.
      num_classes: at least 2.
      alpha: width multiplier above 0; channels are rounded to multiples of 8.
      dropout: fraction in [0, 1) dropped before the last layer; the paper has 0.2.
      num_halvings: strides of 2 to keep, in [0, 5]; None keeps what the input fits.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.efficientnet_b0((96, 96, 3), 10, dropout=0.2)

    References:
      Tan & Le, "EfficientNet" (arXiv:1905.11946), table 1.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    inputs = keras.Input(input_shape, name="image")
    ends = tuple(
        arguments.scaled_channels(filters, alpha)
        for filters in (_STEM_FILTERS, _HEAD_FILTERS)
    )
    x = _features(inputs, ends, alpha, num_halvings, is_lite=False)
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="efficientnet_b0")


def efficientnet_lite0(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds EfficientNet-Lite0; 4,694,024 parameters at the defaults.

    EfficientNet-B0 for integer hardware: no squeeze-and-excite, ReLU6 for swish, and
    first and last convolution of the same width for every `alpha`. Of its parameters
    4,652,008 are trainable. The authors say 407 M multiply-accumulates, more than for
    B0 with its squeeze-and-excite; the kernels of these layers cost 385.2 M.

    Args, Returns, Raises: as of `efficientnet_b0`.

    Example:
      >>> tfc.models.efficientnet_lite0((28, 28, 1), 10, alpha=0.5)

    References:
      Tan & Le, "EfficientNet" (arXiv:1905.11946); the authors' code,
      tensorflow/tpu, models/official/efficientnet/lite.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    inputs = keras.Input(input_shape, name="image")
    ends = (_STEM_FILTERS, _HEAD_FILTERS)
    x = _features(inputs, ends, alpha, num_halvings, is_lite=True)
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="efficientnet_lite0")


def _features(
    x: Any, ends: tuple[int, ...], alpha: float, num_halvings: int | None, is_lite: bool
) -> Any:
    plan = [
        (ratio, arguments.scaled_channels(filters, alpha), stride if n == 0 else 1, k)
        for ratio, filters, num_blocks, stride, k in _STAGES
        for n in range(num_blocks)
    ]
    stem_strides, *strides = arguments.fitted_strides(
        [2, *(block[2] for block in plan)], x.shape[1:], num_halvings
    )
    kind = "relu6" if is_lite else "swish"
    x = blocks.standard(x, ends[0], 3, stem_strides, "stem", kind)
    for index, (ratio, filters, _, kernel_size) in enumerate(plan):
        num_inputs = x.shape[-1]
        # Of the block's input channels, where MobileNetV3 counts the expanded ones.
        excite = blocks.SqueezeExcite(max(1, num_inputs // 4), kind, "sigmoid")
        settings = blocks.InvertedResidual(
            num_inputs * ratio,
            filters,
            strides[index],
            kernel_size,
            kind,
            None if is_lite else excite,
        )
        x = blocks.inverted_residual(x, settings, f"block{index + 1:02d}")
    return blocks.standard(x, ends[1], 1, 1, "head", kind)
