"""MobileNetV3, large and small: inverted residuals with squeeze-and-excite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tf_keras as keras

from tfcompress.models import arguments, blocks

_STEM_FILTERS = 16
# Ratio of expansion, filters, kernel size, stride, squeeze-and-excite, hard-swish:
# tables 1 and 2 of the paper, expansions as ratios so that a width scales them.
_Stage = tuple[float, int, int, int, bool, bool]
_LARGE: tuple[_Stage, ...] = (
    (1, 16, 3, 1, False, False),
    (4, 24, 3, 2, False, False),
    (3, 24, 3, 1, False, False),
    (3, 40, 5, 2, True, False),
    (3, 40, 5, 1, True, False),
    (3, 40, 5, 1, True, False),
    (6, 80, 3, 2, False, True),
    (2.5, 80, 3, 1, False, True),
    (2.3, 80, 3, 1, False, True),
    (2.3, 80, 3, 1, False, True),
    (6, 112, 3, 1, True, True),
    (6, 112, 3, 1, True, True),
    (6, 160, 5, 2, True, True),
    (6, 160, 5, 1, True, True),
    (6, 160, 5, 1, True, True),
)
_SMALL: tuple[_Stage, ...] = (
    (1, 16, 3, 2, True, False),
    (72 / 16, 24, 3, 2, False, False),
    (88 / 24, 24, 3, 1, False, False),
    (4, 40, 5, 2, True, True),
    (6, 40, 5, 1, True, True),
    (6, 40, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (6, 96, 5, 2, True, True),
    (6, 96, 5, 1, True, True),
    (6, 96, 5, 1, True, True),
)


def mobilenet_v3_large(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    minimalistic: bool = False,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds MobileNetV3-Large; 5,507,432 parameters at the defaults.

    The paper says 5.4 M parameters and 219 M multiply-accumulates. The kernels of these
    layers, which are those of `keras.applications` and torchvision, cost 216.6 M.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose early strides (`arguments.fitted_strides`), 28x28 ends at 4x4.
      num_classes: at least 2.
      alpha: width multiplier above 0; channels are rounded to multiples of 8. The
        first convolution keeps 16, the last dense layer never has less than 1280.
      dropout: fraction in [0, 1) dropped before the last layer.
      minimalistic: leave out squeeze-and-excite and hard-swish, and make every kernel
        3x3, for hardware that does badly with them; 3,948,688 parameters.
      num_halvings: strides of 2 to keep, in [0, 5]; None keeps what the input fits.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.mobilenet_v3_large((96, 96, 3), 10, alpha=0.75)

    References:
      Howard et al., "Searching for MobileNetV3" (arXiv:1905.02244), table 1.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    x = inputs = keras.Input(input_shape, name="image")
    x = _features(x, _LARGE, alpha, minimalistic, num_halvings)
    x = _head(x, 1280, alpha, minimalistic)
    outputs = blocks.dense_logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="mobilenet_v3_large")


def mobilenet_v3_small(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    minimalistic: bool = False,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds MobileNetV3-Small; 2,554,968 parameters at the defaults.

    With `minimalistic` it has 2,056,848. The paper says 2.5 M parameters and 56 M
    multiply-accumulates; the kernels of these layers cost 56.5 M.

    Args, Returns, Raises: as of `mobilenet_v3_large`, but the last dense layer never
    has less than 1024 channels.

    Example:
      >>> tfc.models.mobilenet_v3_small((28, 28, 1), 10, alpha=0.5, num_halvings=4)

    References:
      Howard et al., "Searching for MobileNetV3" (arXiv:1905.02244), table 2.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    x = inputs = keras.Input(input_shape, name="image")
    x = _features(x, _SMALL, alpha, minimalistic, num_halvings)
    x = _head(x, 1024, alpha, minimalistic)
    outputs = blocks.dense_logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="mobilenet_v3_small")


def _features(
    x: Any,
    stages: Sequence[_Stage],
    alpha: float,
    minimalistic: bool,
    num_halvings: int | None,
) -> Any:
    strides = arguments.fitted_strides(
        [2, *(stage[3] for stage in stages)], x.shape[1:], num_halvings
    )
    kind = "relu" if minimalistic else "hard_swish"
    x = blocks.standard(x, _STEM_FILTERS, 3, strides[0], "stem", kind)
    for index, (ratio, filters, kernel_size, _, excites, swishes) in enumerate(stages):
        num_inputs = x.shape[-1]
        expanded = num_inputs
        if ratio != 1:
            expanded = arguments.scaled_channels(num_inputs, ratio)
        settings = blocks.InvertedResidual(
            expanded,
            arguments.scaled_channels(filters, alpha),
            strides[index + 1],
            kernel_size=3 if minimalistic else kernel_size,
            activation="hard_swish" if swishes and not minimalistic else "relu",
            squeeze_excite=blocks.SqueezeExcite(
                arguments.scaled_channels(expanded, 0.25)
            )
            if excites and not minimalistic
            else None,
        )
        x = blocks.inverted_residual(x, settings, f"block{index + 1:02d}")
    return blocks.standard(
        x, arguments.scaled_channels(x.shape[-1], 6), 1, 1, "head", kind
    )


def _head(x: Any, num_units: int, alpha: float, minimalistic: bool) -> Any:
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    num_units = arguments.scaled_channels(num_units, max(alpha, 1.0))
    x = keras.layers.Dense(
        num_units, kernel_initializer="he_normal", name="head_dense"
    )(x)
    return blocks.activation(x, "head_dense", "relu" if minimalistic else "hard_swish")
