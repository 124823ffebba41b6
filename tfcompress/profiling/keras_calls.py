"""A call of a Keras layer: what it takes and gives, as its counts need it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Call:
    """One call of a layer in a model.

    Args:
      layer: that is called, without TF-MOT's wrapper.
      name: of it, for messages.
      inputs: shapes of what it is called on, batch and all.
      outputs: shapes of what it returns.
      num_kernel_params: elements of all its kernels.
    """

    layer: Any
    name: str
    inputs: Sequence[Shape]
    outputs: Sequence[Shape]
    num_kernel_params: int

    @property
    def kinds(self) -> set[str]:
        """Names of the layer's classes, its own and those it inherits from."""
        return {base.__name__ for base in type(self.layer).__mro__}

    @property
    def kind(self) -> str:
        """Name of the layer's own class."""
        return type(self.layer).__name__


def size(shape: Shape) -> int:
    """Returns the number of elements at a batch of 1."""
    return math.prod(1 if side is None else side for side in shape)
