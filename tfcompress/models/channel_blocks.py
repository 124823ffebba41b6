"""Blocks that group, split, shuffle and concatenate channels.

Names and the letters of the costs are as in `blocks`; G is the number of groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.layers.channel_shuffle import ChannelShuffle
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.layers.slice import Slice
from tfcompress.models import blocks


@dataclass(frozen=True)
class GhostBottleneck:
    """What tells one ghost bottleneck from another.

    Args:
      expanded: channels between its two ghost modules.
      filters: output channels.
      halves: whether it has a depthwise convolution between them and in its shortcut;
        the strides are that convolution's.
      kernel_size: of these.
      squeeze: filters of a squeeze-and-excite block between them; 0 leaves it out.
    """

    expanded: int
    filters: int
    halves: bool = False
    kernel_size: int = 3
    squeeze: int = 0


def grouped_norm(x: Any, filters: int, groups: int, name: str) -> Any:
    """Grouped 1x1 convolution, batch normalisation.

    C F / G + 4 F parameters, H W C F / G MACs. One group makes a plain convolution.

    Raises:
      InvalidArgumentError: the groups do not divide the channels.

    References:
      Zhang et al., "ShuffleNet" (arXiv:1707.01083), section 3.1.
    """
    if groups == 1:
        return blocks.conv_norm(x, filters, 1, 1, name)
    num_inputs = x.shape[-1]
    if num_inputs % groups or filters % groups:
        raise InvalidArgumentError(
            f"{groups} groups of layer {name!r} do not divide its {num_inputs} input "
            f"channels and {filters} filters; choose a number that divides both"
        )
    x = GroupedConv2D(
        filters,
        1,
        groups=groups,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return blocks.norm(x, name)


def channel_split(x: Any, name: str) -> tuple[Any, Any]:
    """Returns the first and the second half of the channels; costs nothing.

    References:
      Ma et al., "ShuffleNet V2" (arXiv:1807.11164), section 3.2.
    """
    half = x.shape[-1] // 2
    sides = [[None, None, None]] * 2
    first = Slice([*sides, [None, half, None]], name=f"{name}_first")(x)
    second = Slice([*sides, [half, None, None]], name=f"{name}_second")(x)
    return first, second


def channel_shuffle(x: Any, groups: int, name: str) -> Any:
    """Deals the channels of each group to all groups; costs nothing.

    References:
      Zhang et al., "ShuffleNet" (arXiv:1707.01083), section 3.1 and figure 1.
    """
    return ChannelShuffle(groups, name=f"{name}_shuffle")(x)


def ghost_module(x: Any, filters: int, name: str, kind: str | None = "relu") -> Any:
    """Half of the filters by a 1x1 convolution, the others cheaply from those.

    The cheap ones are a depthwise 3x3 convolution of the first half. With P = F / 2:
    C P + 9 P + 8 P parameters and H W (C P + 9 P) MACs, about half of what a
    convolution costs.

    Args:
      x: of shape `(batch, height, width, channels)`.
      filters: even number of output channels.
      name: what the layers' names begin with.
      kind: the activation, as of `blocks.activation`; None for a linear module.

    Raises:
      InvalidArgumentError: the number of filters is odd.

    References:
      Han et al., "GhostNet" (arXiv:1911.11907), section 3.1 and figure 1.
    """
    if filters % 2:
        raise InvalidArgumentError(
            f"ghost module {name!r} has {filters} filters, which are no two halves; "
            f"choose an even number, such as {filters + 1}"
        )
    half = filters // 2
    primary = blocks.conv_norm(x, half, 1, 1, f"{name}_primary")
    if kind:
        primary = blocks.activation(primary, f"{name}_primary", kind)
    cheap = blocks.depthwise_norm(primary, 1, f"{name}_cheap")
    if kind:
        cheap = blocks.activation(cheap, f"{name}_cheap", kind)
    return keras.layers.Concatenate(name=f"{name}_concat")([primary, cheap])


def ghost_bottleneck(x: Any, settings: GhostBottleneck, strides: int, name: str) -> Any:
    """Ghost bottleneck: a ghost module, depthwise where it halves, a linear one, add.

    The cost is that of its two ghost modules, C to E and E to F channels; with `halves`
    (k k E + 4 E) + (k k C + 4 C) parameters for the two depthwise convolutions more,
    and C F + 4 F for the shortcut's 1x1, which is there too where C is not F.

    References:
      Han et al., "GhostNet" (arXiv:1911.11907), figure 3.
    """
    num_inputs, kernel_size = x.shape[-1], settings.kernel_size
    y = ghost_module(x, settings.expanded, f"{name}_expand")
    if settings.halves:
        y = blocks.depthwise_norm(y, strides, f"{name}_depthwise", kernel_size)
    if settings.squeeze:
        squeeze_excite = blocks.SqueezeExcite(settings.squeeze)
        y = blocks.squeeze_excite(y, squeeze_excite, f"{name}_excite")
    y = ghost_module(y, settings.filters, f"{name}_project", kind=None)
    if settings.halves or num_inputs != settings.filters:
        shortcut = f"{name}_shortcut"
        x = blocks.depthwise_norm(x, strides, f"{shortcut}_depthwise", kernel_size)
        x = blocks.conv_norm(x, settings.filters, 1, 1, f"{shortcut}_pointwise")
    return keras.layers.Add(name=f"{name}_add")([x, y])
