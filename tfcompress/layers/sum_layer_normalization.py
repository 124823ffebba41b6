"""LayerNormalization as the converter leaves it alone."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable(package="tfcompress")
class SumLayerNormalization(keras.layers.LayerNormalization):
    """LayerNormalization along the last axis, of sums instead of means.

    Where the input is int8, the converter makes the first mean int8 as well, with a
    scale that is far too coarse for it, and computes all the rest in float from that.
    Sums it leaves in float.

    Example:
      >>> SumLayerNormalization()(tf.constant([[1.0, 3.0]])).numpy().round(2).tolist()
      [[-1.0, 1.0]]
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns a tensor of the same shape as `inputs`."""
        share = 1 / inputs.shape[-1]
        mean = tf.reduce_sum(inputs, axis=-1, keepdims=True) * share
        centered = inputs - mean
        squares = tf.reduce_sum(centered * centered, axis=-1, keepdims=True)
        outputs = centered * tf.math.rsqrt(squares * share + self.epsilon)
        if self.scale:
            outputs *= self.gamma
        return outputs + self.beta if self.center else outputs
