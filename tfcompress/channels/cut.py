"""What is left of an axis of channels, and of weights that lie along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tfcompress.rewriting.graph import LayerSpec

Role = Literal["in", "out"] | None
IN: Role = "in"
OUT: Role = "out"


@dataclass(frozen=True, eq=False)
class Cut:
    """The channels that are kept of one tensor.

    Args:
      axis: the axis they lie along, not counting the batch.
      size: number of channels before.
      kept: ascending positions of those that stay.
    """

    axis: int
    size: int
    kept: np.ndarray

    def parts(self, number: int) -> list[np.ndarray]:
        """Returns the kept positions within each of so many equal parts of the axis."""
        size = self.size // number
        return [
            self.kept[self.kept // size == part] - part * size for part in range(number)
        ]


def take(
    weight: np.ndarray, roles: Sequence[Role], given: Cut, output: Cut
) -> np.ndarray:
    """Returns the part of a weight that belongs to the channels that are kept.

    Args:
      weight: of a layer.
      roles: for each axis, whether it runs along the layer's input or output channels,
        or along neither.
      given: of the input.
      output: of the output.
    """
    for axis, role in enumerate(roles):
        if role is not None:
            kept = given.kept if role == IN else output.kept
            weight = np.take(weight, kept, axis)
    return weight


def resized(spec: LayerSpec, weights: list[np.ndarray], **settings: Any) -> LayerSpec:
    """Returns a layer with other weights and some other settings."""
    layer = type(spec.layer).from_config(spec.layer.get_config() | settings)
    return LayerSpec(layer, weights)
