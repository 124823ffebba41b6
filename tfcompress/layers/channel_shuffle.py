"""The channel shuffle of ShuffleNet."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError


@keras.saving.register_keras_serializable(package="tfcompress")
class ChannelShuffle(keras.layers.Layer):
    """Mixes the channels of groups, so that each next group sees all of them.

    The channels are dealt like cards: with 2 groups `a b c d` become `a c b d`. No
    weights, no multiply-accumulates; reshape, transpose, reshape in a .tflite file.

    Args:
      groups: how many groups the channels come from; divides their number.

    Input: `(batch, height, width, channels)`, also with open sides.

    Raises:
      InvalidArgumentError: `groups` is not a whole number above 0, or does not divide
        the channels.

    Example:
      >>> x = tf.reshape(tf.range(6.0), (1, 1, 1, 6))
      >>> ChannelShuffle(2)(x).numpy().ravel().tolist()
      [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]

    References:
      Zhang et al., "ShuffleNet" (arXiv:1707.01083), section 3.1 and figure 1.
    """

    def __init__(self, groups: int, **settings: Any):
        super().__init__(**settings)
        if not isinstance(groups, int) or isinstance(groups, bool) or groups < 1:
            raise InvalidArgumentError(
                f"layer {self.name!r} has groups={groups!r}; expected a whole number "
                "above 0"
            )
        self.groups = groups

    def build(self, input_shape: Any) -> None:
        """Checks that the groups divide the channels."""
        channels = input_shape[-1]
        if channels is None or channels % self.groups:
            raise InvalidArgumentError(
                f"layer {self.name!r} has groups={self.groups} and {channels} input "
                "channels; expected a number of channels that the groups divide"
            )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns a tensor of the same shape as `inputs`."""
        shape = inputs.shape
        # A shape tensor would stay in a .tflite file as operators of its own.
        fixed = [-1, *shape[1:]] if shape[1:].is_fully_defined() else tf.shape(inputs)
        parts = tf.reshape(inputs, (-1, self.groups, shape[-1] // self.groups))
        mixed = tf.reshape(tf.transpose(parts, (0, 2, 1)), fixed)
        return tf.ensure_shape(mixed, shape)

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer can be made of again."""
        return super().get_config() | {"groups": self.groups}
