"""Moving values between the channels and the space of an image."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable(package="tfcompress")
class DepthToSpace(keras.layers.Layer):
    """Makes squares of pixels of the channels of one pixel ("pixel shuffle").

    `(batch, height, width, channels)` becomes
    `(batch, height * size, width * size, channels / size^2)`.

    Args:
      block_size: pixels of a square's side; at least 2.

    References:
      "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
      Convolutional Neural Network", https://arxiv.org/abs/1609.05158, equation 4.

    Example:
      >>> DepthToSpace(2)(tf.zeros((1, 4, 4, 12))).shape
      TensorShape([1, 8, 8, 3])
    """

    def __init__(self, block_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.block_size = _checked(block_size)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the image with larger sides and fewer channels."""
        return tf.nn.depth_to_space(inputs, self.block_size)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the larger image."""
        batch, height, width, channels = input_shape
        size = self.block_size
        sides = [None if side is None else side * size for side in (height, width)]
        return (batch, *sides, channels // size**2)

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer can be made of again."""
        return super().get_config() | {"block_size": self.block_size}


@keras.saving.register_keras_serializable(package="tfcompress")
class SpaceToDepth(keras.layers.Layer):
    """Makes channels of one pixel of squares of pixels; the inverse of DepthToSpace.

    `(batch, height, width, channels)` becomes
    `(batch, height / size, width / size, channels * size^2)`.

    Args:
      block_size: pixels of a square's side; at least 2.

    Example:
      >>> SpaceToDepth(2)(tf.zeros((1, 8, 8, 3))).shape
      TensorShape([1, 4, 4, 12])
    """

    def __init__(self, block_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.block_size = _checked(block_size)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the image with smaller sides and more channels."""
        return tf.nn.space_to_depth(inputs, self.block_size)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the smaller image."""
        batch, height, width, channels = input_shape
        size = self.block_size
        sides = [None if side is None else side // size for side in (height, width)]
        return (batch, *sides, channels * size**2)

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer can be made of again."""
        return super().get_config() | {"block_size": self.block_size}


def _checked(block_size: int) -> int:
    if not isinstance(block_size, int) or block_size < 2:
        raise ValueError(f"block_size is {block_size}; expected an integer from 2 on")
    return block_size
