"""Keras' MultiHeadAttention, called with one list of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError


@keras.saving.register_keras_serializable(package="tfcompress")
class AttentionHeads(keras.layers.MultiHeadAttention):
    """Attends as `MultiHeadAttention` does, to a list of query, value and perhaps key.

    All layers of a graph take one tensor or one list. Loading makes this one in the
    place of Keras' own, which takes several, and canonical models have plain layers
    instead. Arguments and weights are Keras' own.

    Example:
      >>> tokens = tf.ones((1, 5, 8))
      >>> AttentionHeads(num_heads=2, key_dim=4)([tokens, tokens]).shape
      TensorShape([1, 5, 8])
    """

    # Attributes that hold the projections, in the order of their weights.
    PARTS = ("_query_dense", "_key_dense", "_value_dense", "_output_dense")

    def build(self, input_shape: Any) -> None:
        """Makes the weights.

        Raises:
          ModelError: it does what no plain layers do.
        """
        query, value, *key = (tf.TensorShape(shape) for shape in input_shape)
        self._build_from_signature(query, value, *key)
        self._check(query)
        context = (None, None, self._num_heads, self._value_dim)
        shapes = (query, *(key or [value]), value, context)
        for part, shape in zip(self.parts, shapes, strict=True):
            part.build(shape)
        self.built = True

    @property
    def parts(self) -> list[keras.layers.Layer]:
        """The projections: of query, key, value and output."""
        return [getattr(self, name) for name in self.PARTS]

    def _check(self, query: tf.TensorShape) -> None:
        what = ""
        if query.rank != 3 or tuple(self._attention_axes) != (1,):
            what = "attends along other axes than the first of (tokens, channels)"
        elif self._kernel_constraint or self._bias_constraint:
            what = "constrains its weights"
        elif isinstance(self._output_shape, Sequence) and len(self._output_shape) > 1:
            what = "has several output axes"
        if what:
            raise ModelError(f"layer {self.name} {what}; rebuild the model without")

    def call(
        self, inputs: Sequence[tf.Tensor], training: bool | None = None
    ) -> tf.Tensor:
        """Returns as many tokens as the query has."""
        return super().call(*inputs, training=training)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the query, with the channels of the output."""
        query = tuple(input_shape[0])
        given = self._output_shape
        last = given[-1] if isinstance(given, Sequence) else given
        return (*query[:-1], last or query[-1])
