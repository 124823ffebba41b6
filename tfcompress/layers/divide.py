"""Division of two tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable(package="tfcompress")
class Divide(keras.layers.Layer):
    """Divides the first of two tensors by the second, element by element.

    Axes of size 1 are stretched to the size of the other tensor's. It is a product
    with the reciprocal, which the converter leaves in float: the int8 quotient of
    LiteRT is wrong where an axis is stretched, and where a divisor rounds to 0.

    Example:
      >>> Divide()([tf.constant([[6.0]]), tf.constant([[2.0, 4.0]])]).numpy().tolist()
      [[3.0, 1.5]]
    """

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the quotient of a list of two tensors."""
        dividend, divisor = inputs
        return dividend * tf.math.reciprocal(divisor)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """Returns the shape of the quotient."""
        dividend, divisor = (tf.TensorShape(shape) for shape in input_shape)
        return tf.broadcast_static_shape(dividend, divisor)
