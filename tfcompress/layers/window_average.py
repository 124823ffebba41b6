"""Average pooling as a convolution, and what that lacks at the borders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable(package="tfcompress")
class WindowAverage(keras.layers.Layer):
    """Average pooling to which what is padded counts as zeros.

    Written as a convolution, for which int8 runtimes have faster operators: one
    DEPTHWISE_CONV_2D in a .tflite file. It has no weights.

    Args:
      pool_size: `(height, width)` of the window, which must not be larger than the
        picture.
      strides: `(height, width)` from one window to the next.
      padding: `valid` or `same`.

    Example:
      >>> layer = WindowAverage((2, 2), (1, 1), "same")
      >>> layer(tf.ones((1, 2, 2, 1)))[0, :, :, 0].numpy().tolist()
      [[1.0, 0.5], [0.5, 0.25]]
    """

    def __init__(
        self,
        pool_size: Sequence[int],
        strides: Sequence[int],
        padding: str,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.pool_size = tuple(pool_size)
        self.strides = tuple(strides)
        self.padding = padding

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns `(batch, new_height, new_width, channels)`."""
        size = inputs.shape[1:3]
        if any(one > two for one, two in zip(self.pool_size, size, strict=True)):
            raise ValueError(
                f"the window {self.pool_size} is larger than the picture {size}"
            )
        share = 1 / (self.pool_size[0] * self.pool_size[1])
        kernel = tf.fill((*self.pool_size, inputs.shape[-1], 1), share)
        return tf.nn.depthwise_conv2d(
            inputs, kernel, (1, *self.strides, 1), self.padding.upper()
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns what average pooling would."""
        options = (self.pool_size, self.strides, self.padding)
        return keras.layers.AveragePooling2D(*options).compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("pool_size", "strides", "padding")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="tfcompress")
class BorderScale(keras.layers.Layer):
    """Multiplies each pixel by the factors of its row and of its column.

    Behind a `WindowAverage` it makes good for the zeros that were averaged at the
    borders. The factors are whole numbers of 112th parts, which a constant of 8 bits
    holds exactly: 1, 3/2, 2 and 9/4 are. One MUL in a .tflite file.

    Args:
      rows: a factor for each row, from 0 to 255/112.
      columns: a factor for each column; products with those of rows are not above
        255/112 either.

    Example:
      >>> layer = BorderScale((1.0, 2.0), (1.0, 1.0))
      >>> layer(tf.ones((1, 2, 2, 1)))[0, :, :, 0].numpy().tolist()
      [[1.0, 1.0], [2.0, 2.0]]
    """

    STEPS = 112

    def __init__(self, rows: Sequence[float], columns: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.rows = tuple(rows)
        self.columns = tuple(columns)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns a tensor of the same shape as `inputs`."""
        size = (len(self.rows), len(self.columns))
        if tuple(inputs.shape[1:3]) != size:
            raise ValueError(f"factors for {size} do not fit {inputs.shape}")
        factors = np.multiply.outer(self.rows, self.columns)[..., np.newaxis]
        # This rounds nothing, but tells the converter the size of a step.
        constant = tf.quantization.fake_quant_with_min_max_vars(
            factors.astype(np.float32), 0.0, 255 / self.STEPS
        )
        return inputs * constant

    @classmethod
    def takes(cls, factors: np.ndarray) -> bool:
        """Returns whether 8 bits hold all of some factors."""
        steps = factors * cls.STEPS
        return bool(np.abs(steps - np.round(steps)).max() < 1e-6 and steps.max() < 256)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"rows": self.rows, "columns": self.columns}
