"""ShuffleNetV2: half of the channels computed, all of them shuffled."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import arguments, blocks, channel_blocks

_STEM_FILTERS = 24
# Channels of the first stage and of the last convolution by width: table 5 of the
# paper. Each stage has twice those of the one before.
_PUBLISHED = {0.5: (48, 1024), 1.0: (116, 1024), 1.5: (176, 1024), 2.0: (244, 2048)}
_DEPTHS = (4, 8, 4)
_STRIDES = (2, 2, 2, 2, 2)


def shufflenet_v2(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds ShuffleNetV2; 2,294,784 parameters at the defaults.

    Of these 2,278,604 are trainable, which is what torchvision and the paper count. The
    paper says 146 M multiply-accumulates; the kernels of these layers, which are those
    of torchvision, cost 144.9 M, and 40.5, 295.8 and 583.3 M (paper: 41, 299, 591) at
    the widths 0.5, 1.5 and 2.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose early strides (`arguments.fitted_strides`), 28x28 ends at 4x4.
      num_classes: at least 2.
      alpha: width, published as 0.5, 1, 1.5 and 2. Others take the nearest even number
        to `116 * alpha` channels for the first stage and 1024 for the last convolution.
      dropout: fraction in [0, 1) dropped before the last layer.
      num_halvings: strides of 2 to keep, in [0, 5]; None keeps what the input fits.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.shufflenet_v2((28, 28, 1), 10, alpha=0.5)

    References:
      Ma et al., "ShuffleNet V2" (arXiv:1807.11164), table 5 and figure 3.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    filters, head_filters = _filters(alpha)
    stem_strides, pool_strides, *strides = arguments.fitted_strides(
        _STRIDES, input_shape, num_halvings
    )
    inputs = keras.Input(input_shape, name="image")
    x = blocks.standard(inputs, _STEM_FILTERS, 3, stem_strides, "stem")
    if pool_strides == 2:
        x = keras.layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    for stage, depth in enumerate(_DEPTHS):
        name = f"stage{stage + 2}_block"
        x = _reducing(x, 2**stage * filters, strides[stage], f"{name}1")
        for block in range(1, depth):
            x = _unit(x, f"{name}{block + 1}")
    x = blocks.standard(x, head_filters, 1, 1, "head")
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="shufflenet_v2")


def _filters(alpha: float) -> tuple[int, int]:
    """Returns the channels of the first stage and of the last convolution."""
    if alpha in _PUBLISHED:
        return _PUBLISHED[alpha]
    filters = 2 * round(_PUBLISHED[1.0][0] / 2 * alpha)
    if not filters:
        raise InvalidArgumentError(
            f"alpha is {alpha!r}, which leaves no channel; expected at least 0.01"
        )
    return filters, _PUBLISHED[1.0][1]


def _unit(x: Any, name: str) -> Any:
    """The unit that keeps the shape: one half passes, the other is computed."""
    kept, given = channel_blocks.channel_split(x, name)
    computed = _branch(given, given.shape[-1], 1, name)
    return _joined(kept, computed, name)


def _reducing(x: Any, filters: int, strides: int, name: str) -> Any:
    """The unit that halves the sides: both branches compute from all channels."""
    shortcut = f"{name}_shortcut"
    y = blocks.depthwise_norm(x, strides, f"{shortcut}_depthwise")
    y = blocks.standard(y, filters // 2, 1, 1, f"{shortcut}_pointwise")
    return _joined(y, _branch(x, filters // 2, strides, name), name)


def _branch(x: Any, filters: int, strides: int, name: str) -> Any:
    """1x1, depthwise 3x3, 1x1."""
    x = blocks.standard(x, filters, 1, 1, f"{name}_reduce")
    x = blocks.depthwise_norm(x, strides, f"{name}_depthwise")
    return blocks.standard(x, filters, 1, 1, f"{name}_expand")


def _joined(first: Any, second: Any, name: str) -> Any:
    x = keras.layers.Concatenate(name=f"{name}_concat")([first, second])
    return channel_blocks.channel_shuffle(x, 2, name)
