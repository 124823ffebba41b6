"""Kernels whose weights share a few values: which are such, and how many values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

# Within what weights share values: the whole layer, or each output channel.
Sharing = Literal["layer", "channel"]
Kernel = npt.NDArray[Any]
# What an int8 kernel can hold, from -127 to 127.
MAX_VALUES = 255
# Looked at first: a kernel that was not clustered has more values in it already.
_NUM_SAMPLES = 4096


@dataclass(frozen=True)
class WeightCounts:
    """How many weights a kernel has, how many are zero, and how many differ.

    Args:
      num_weights: all of them.
      num_zeros: those that are zero.
      num_values: different values; zero counts as one.
      num_channel_values: different values in that output channel which has most.
    """

    num_weights: int
    num_zeros: int
    num_values: int
    num_channel_values: int

    @classmethod
    def of(cls, kernel: Kernel, num_channel_axes: int) -> WeightCounts:
        """Counts a kernel.

        Args:
          kernel: of any shape.
          num_channel_axes: number of trailing axes that count the output channels; 0
            takes the kernel as one channel.
        """
        columns = by_channel(kernel, num_channel_axes)
        return cls(
            num_weights=kernel.size,
            num_zeros=int(np.sum(kernel == 0)),
            num_values=int(np.unique(kernel).size),
            num_channel_values=int(_num_values(columns).max()),
        )

    def lost(self, later: WeightCounts, sharing: Sharing | None) -> str:
        """Returns what a kernel with these counts lost by becoming another one.

        Args:
          later: counts of what it became.
          sharing: within what the number of values must not grow; None where it may.

        Returns:
          Such as `12 of 40 zeros`; nothing where all was kept.
        """
        if later.num_zeros < self.num_zeros:
            return f"{self.num_zeros - later.num_zeros} of {self.num_zeros} zeros"
        if sharing == "layer" and later.num_values > self.num_values:
            return f"its {self.num_values} values, and has {later.num_values}"
        if sharing == "channel" and later.num_channel_values > self.num_channel_values:
            return (
                f"its {self.num_channel_values} values a channel, and has "
                f"{later.num_channel_values}"
            )
        return ""


def by_channel(kernel: Kernel, num_channel_axes: int) -> Kernel:
    """Returns the weights as `(weights of a channel, channels)`."""
    shape = kernel.shape
    channels = shape[len(shape) - num_channel_axes :]
    return kernel.reshape(-1, int(np.prod(channels)))


def find_sharing(kernel: Kernel, num_channel_axes: int) -> Sharing | None:
    """Returns within what the weights of a kernel share values; None if they do not.

    They do if at most 255 values recur, zero aside, in the whole kernel or in most of
    its channels: random weights hardly ever do. Channels that recur each by itself, as
    after rounding with a scale for each, have few values in common.
    """
    columns = by_channel(kernel, num_channel_axes)
    whole = kernel.reshape(-1, 1)
    if np.unique(whole[:_NUM_SAMPLES]).size <= MAX_VALUES and _recurs(whole).all():
        is_common = (
            _num_nonzero_values(whole) < 0.9 * _num_nonzero_values(columns).sum()
        )
        if is_common or not num_channel_axes:
            return "layer"
    return "channel" if num_channel_axes and _recurs(columns).mean() > 0.5 else None


def find_leaders(
    kernel: Kernel, num_channel_axes: int, sharing: Sharing
) -> npt.NDArray[np.int32]:
    """Returns, for each weight, the place in the flat kernel of the first of its value.

    Args:
      kernel: of any shape.
      num_channel_axes: see `WeightCounts.of`.
      sharing: whether the first of the layer or of the channel.
    """
    columns = by_channel(kernel, num_channel_axes if sharing == "channel" else 0)
    places = np.arange(kernel.size, dtype=np.int32).reshape(columns.shape)
    leaders = np.empty_like(places)
    for column in range(columns.shape[1]):
        _, first, group = np.unique(
            columns[:, column], return_index=True, return_inverse=True
        )
        leaders[:, column] = places[first[group], column]
    return leaders.reshape(kernel.shape)


def _num_values(columns: Kernel) -> npt.NDArray[np.int64]:
    """Returns the number of different values in each column."""
    ordered = np.sort(columns, axis=0)
    return 1 + np.sum(ordered[1:] != ordered[:-1], axis=0)


def _num_nonzero_values(columns: Kernel) -> npt.NDArray[np.int64]:
    return _num_values(columns) - np.any(columns == 0, axis=0)


def _recurs(columns: Kernel) -> npt.NDArray[np.bool_]:
    """Returns, for each column, whether its weights are a few values that recur."""
    num_values = _num_values(columns)
    recurs = _num_nonzero_values(columns) < np.count_nonzero(columns, axis=0)
    result: npt.NDArray[np.bool_] = (
        recurs & (num_values > 1) & (num_values <= MAX_VALUES)
    )
    return result
