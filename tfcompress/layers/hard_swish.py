"""The hard sigmoid of MobileNetV3 and Keras 3, and the hard swish made of it."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable(package="tfcompress")
class HardSigmoid(keras.layers.Layer):
    """`relu6(x + 3) / 6`, element by element; outputs lie in [0, 1].

    This is `hard_sigmoid` of Keras 3. The activation of that name in tf_keras is
    another function: `clip(0.2 x + 0.5, 0, 1)`.

    References:
      "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244, section 5.2.

    Example:
      >>> HardSigmoid()(tf.constant([[-3.0, 0.0, 3.0]])).numpy().tolist()
      [[0.0, 0.5, 1.0]]
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns a tensor of the same shape as `inputs`."""
        return tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `input_shape`."""
        return input_shape


@keras.saving.register_keras_serializable(package="tfcompress")
class HardSwish(keras.layers.Layer):
    """`x * relu6(x + 3) / 6`, element by element; `hard_silu` of Keras 3.

    Written as the converter knows it: one HARD_SWISH in a .tflite file.

    References:
      "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244, section 5.2.

    Example:
      >>> HardSwish()(tf.constant([[-3.0, 0.0, 3.0]])).numpy().tolist()
      [[-0.0, 0.0, 3.0]]
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns a tensor of the same shape as `inputs`."""
        return inputs * tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `input_shape`."""
        return input_shape


@keras.saving.register_keras_serializable(package="tfcompress")
class HardSwishGate(keras.layers.Layer):
    """`clip(x + sqrt(6) / 2, 0, sqrt(6))`: hard swish in two operators, not three.

    Of `z = x / sqrt(6)`, the product `z * HardSwishGate()(z)` is the hard swish of x.
    An int8 runtime adds a constant, and what lies outside of the bounds is cut off
    by the range of the result.

    Args:
      clips: whether the layer holds to its bounds by itself; not needed where its
        output is rounded to the range between them.

    Example:
      >>> HardSwishGate()(tf.constant([[-3.0, 0.0, 3.0]])).numpy().round(2).tolist()
      [[0.0, 1.22, 2.45]]
    """

    BOUND = math.sqrt(6)

    def __init__(self, clips: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.clips = clips

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns a tensor of the same shape as `inputs`."""
        gate = inputs + self.BOUND / 2
        return tf.clip_by_value(gate, 0.0, self.BOUND) if self.clips else gate

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"clips": self.clips}
