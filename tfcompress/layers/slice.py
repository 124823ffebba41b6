"""A part of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable(package="tfcompress")
class Slice(keras.layers.Layer):
    """Takes a range of every axis but the batch, as `x[:, a:b:c, ...]` does.

    Args:
      slices: `(start, stop, step)` for each axis after the batch, as in a Python
        slice: numbers below 0 count from the end, None stands for an end of the axis.
        Axes that are not listed are kept whole.

    Example:
      >>> Slice([(None, None, 2), (None, None, 2)])(tf.zeros((1, 8, 8, 3))).shape
      TensorShape([1, 4, 4, 3])
    """

    def __init__(self, slices: Sequence[Sequence[int | None]], **kwargs: Any):
        super().__init__(**kwargs)
        self.slices = tuple(tuple(part) for part in slices)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the range of `inputs`, with as many axes."""
        return inputs[(slice(None), *(slice(*part) for part in self.slices))]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the range; a size that is not known stays so."""
        batch, *sizes = input_shape
        for axis, part in enumerate(self.slices):
            if sizes[axis] is not None:
                sizes[axis] = len(range(*slice(*part).indices(sizes[axis])))
        return (batch, *sizes)

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer can be made of again."""
        slices = [list(part) for part in self.slices]
        return super().get_config() | {"slices": slices}
