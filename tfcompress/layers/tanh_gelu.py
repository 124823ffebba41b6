"""GELU by its approximation."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable(package="tfcompress")
class TanhGelu(keras.layers.Layer):
    """`0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, element by element.

    This is what `keras.ops.gelu` of Keras 3 does by default. `gelu` as an activation
    of tf_keras is the exact `x P(X <= x)`, up to 5e-4 away.

    References:
      "Gaussian Error Linear Units", https://arxiv.org/abs/1606.08415, section 2.

    Example:
      >>> TanhGelu()(tf.constant([[0.0, 1.0]])).numpy().round(4).tolist()
      [[0.0, 0.8411999940872192]]
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns a tensor of the same shape as `inputs`."""
        return tf.nn.gelu(inputs, approximate=True)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `input_shape`."""
        return input_shape
