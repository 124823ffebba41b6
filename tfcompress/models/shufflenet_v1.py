"""ShuffleNetV1: grouped 1x1 convolutions and a shuffle between them."""

from __future__ import annotations

import math
from typing import Any

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import arguments, blocks, channel_blocks

_STEM_FILTERS = 24
# Output channels of the first stage by groups: table 1 of the paper. Each stage has
# twice those of the one before.
_FILTERS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
_DEPTHS = (4, 8, 4)
_STRIDES = (2, 2, 2, 2, 2)


def shufflenet_v1(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    groups: int = 3,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds ShuffleNetV1; 1,890,208 parameters at the defaults.

    The paper says 137 M multiply-accumulates in its table 2, and 140 M for all numbers
    of groups together; the kernels of these layers cost 137.5 M. Two things differ
    from the paper's figure 2 without a difference in what can be learned: the ReLU of a
    unit that halves the sides comes before the concatenation, and no shuffle follows
    the one 1x1 convolution that has no groups.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose early strides (`arguments.fitted_strides`), 28x28 ends at 4x4.
      num_classes: at least 2.
      alpha: width multiplier above 0, in the paper 0.25, 0.5, 1, 1.5 and 2; channels
        are rounded to multiples of 4 times `groups`. The first convolution has 24
        channels times the largest power of 2 that is not above `alpha`, as in the
        authors' code.
      dropout: fraction in [0, 1) dropped before the last layer.
      groups: of the 1x1 convolutions: 1, 2, 3, 4 or 8; more groups are wider at about
        the same cost.
      num_halvings: strides of 2 to keep, in [0, 5]; None keeps what the input fits.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.shufflenet_v1((28, 28, 1), 10, alpha=0.5, groups=3)

    References:
      Zhang et al., "ShuffleNet" (arXiv:1707.01083), table 1 and figure 2.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    if groups not in _FILTERS or isinstance(groups, bool):
        raise InvalidArgumentError(
            f"groups is {groups!r}: expected one of {', '.join(map(str, _FILTERS))}, "
            "for which the paper gives the channels"
        )
    stem_strides, pool_strides, *strides = arguments.fitted_strides(
        _STRIDES, input_shape, num_halvings
    )
    inputs = keras.Input(input_shape, name="image")
    num_channels = _stem_filters(alpha, groups)
    x = blocks.standard(inputs, num_channels, 3, stem_strides, "stem")
    if pool_strides == 2:
        x = keras.layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    filters = arguments.scaled_channels(_FILTERS[groups], alpha, 4 * groups)
    for stage, depth in enumerate(_DEPTHS):
        for block in range(depth):
            name = f"stage{stage + 2}_block{block + 1}"
            num_first_groups = 1 if stage == block == 0 else groups
            if block == 0:
                x = _reducing(
                    x,
                    2**stage * filters,
                    strides[stage],
                    num_first_groups,
                    groups,
                    name,
                )
            else:
                x = _unit(x, groups, name)
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="shufflenet_v1")


def _stem_filters(alpha: float, groups: int) -> int:
    scaled = _STEM_FILTERS * 2.0 ** math.floor(math.log2(alpha))
    return groups * math.ceil(scaled / groups)


def _reducing(
    x: Any,
    filters: int,
    strides: int,
    num_first_groups: int,
    groups: int,
    name: str,
) -> Any:
    """The unit that halves the sides: what it computes is put beside its input."""
    num_computed = filters - x.shape[-1]
    y = blocks.activation(
        _branch(
            x, (filters // 4, num_computed), (num_first_groups, groups), strides, name
        ),
        f"{name}_expand",
        "relu",
    )
    x = keras.layers.AveragePooling2D(
        3, strides, padding="same", name=f"{name}_shortcut_pool"
    )(x)
    return keras.layers.Concatenate(name=f"{name}_concat")([x, y])


def _unit(x: Any, groups: int, name: str) -> Any:
    """The unit that keeps the shape: what it computes is added to its input."""
    filters = x.shape[-1]
    y = _branch(x, (filters // 4, filters), (groups, groups), 1, name)
    y = keras.layers.Add(name=f"{name}_add")([x, y])
    return blocks.activation(y, name, "relu")


def _branch(
    x: Any,
    filters: tuple[int, int],
    groups: tuple[int, int],
    strides: int,
    name: str,
) -> Any:
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1."""
    x = channel_blocks.grouped_norm(x, filters[0], groups[0], f"{name}_reduce")
    x = blocks.activation(x, f"{name}_reduce", "relu")
    # After a convolution without groups there is nothing to mix.
    if groups[0] > 1:
        x = channel_blocks.channel_shuffle(x, groups[0], name)
    x = blocks.depthwise_norm(x, strides, f"{name}_depthwise")
    return channel_blocks.grouped_norm(x, filters[1], groups[1], f"{name}_expand")
