"""Where layers that compute in float and layers that compute in int8 meet."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError

Precision: TypeAlias = Literal["float", "int8", "int16"]


@keras.saving.register_keras_serializable(package="tfcompress")
class PrecisionChange(keras.layers.Layer):
    """Passes values on, from a layer of one precision to a layer of another.

    The converter makes int8 of any operator between two rounded tensors, and rounds
    its weights, whether that was asked for or not. It does so with the operator that
    stands here instead, a leaky ReLU that changes values by one part in 2^24; the
    export takes it out of the file again.

    Args:
      to: precision of the layers that take the values: `float`, `int8` or `int16`.
        Between int8 and int16 stand two, by way of float.

    Raises:
      InvalidArgumentError: another precision.

    Example:
      >>> PrecisionChange("float")(tf.constant([[3.0]])).numpy().tolist()
      [[3.0]]
    """

    # The largest number below 1: at 1 the converter leaves the operator out too soon.
    SLOPE = float(np.nextafter(np.float32(1), np.float32(0)))

    def __init__(self, to: Precision, **settings: Any):
        super().__init__(**settings)
        if to not in get_args(Precision):
            raise InvalidArgumentError(
                f"layer {self.name!r} has to={to!r}; expected float, int8 or int16"
            )
        self.to = to

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns `inputs`, as near as float32 can tell."""
        return tf.nn.leaky_relu(inputs, alpha=self.SLOPE)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer can be made of again."""
        return super().get_config() | {"to": self.to}
