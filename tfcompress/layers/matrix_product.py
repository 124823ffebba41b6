"""The matrix product of two tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable(package="tfcompress")
class MatrixProduct(keras.layers.Layer):
    """Multiplies the matrices that the last two axes of two tensors hold.

    `(batch, ..., n, k)` and `(batch, ..., k, m)` become `(batch, ..., n, m)`. Unlike
    Keras' Dot it takes any number of axes in front, such as the heads of attention.

    Args:
      transpose_b: whether the second one is `(batch, ..., m, k)`.

    Example:
      >>> MatrixProduct()([tf.ones((1, 2, 3)), tf.ones((1, 3, 4))]).shape
      TensorShape([1, 2, 4])
    """

    def __init__(self, transpose_b: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.transpose_b = transpose_b

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the products of a list of two tensors."""
        first, second = inputs
        return tf.matmul(first, second, transpose_b=self.transpose_b)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the product."""
        first, second = (tuple(shape) for shape in input_shape)
        last = second[-2 if self.transpose_b else -1]
        return (*first[:-1], last)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"transpose_b": self.transpose_b}
