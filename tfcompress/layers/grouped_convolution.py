"""A grouped convolution that trains as fast as TensorFlow can compute it."""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable(package="tfcompress")
class GroupedConv2D(keras.layers.Conv2D):
    """`Conv2D(groups=g)` with a fast gradient: same settings, weights and outputs.

    Keras compiles a grouped convolution with XLA, whose gradient on a CPU is 10 to 500
    times slower than that of the plain operation. This layer runs the plain one where
    TensorFlow can derive it: with oneDNN, and on GPUs. Elsewhere it computes the
    gradient group by group. Either way it becomes one CONV_2D of a .tflite file.

    A kernel is `(height, width, channels / groups, filters)`; the i-th part of the
    filters sees the i-th part of the input channels only, so that parameters and
    multiply-accumulates are those of a plain convolution divided by `groups`.

    Args: as of `keras.layers.Conv2D`.

    Input: `(batch, height, width, channels)`; `groups` divides channels and filters.

    Example:
      >>> layer = GroupedConv2D(240, 1, groups=4, use_bias=False)

    References:
      Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural
      Networks", section 3.2; Zhang et al., "ShuffleNet" (arXiv:1707.01083),
      section 3.1.
    """

    # What Keras calls where there are groups.
    def _jit_compiled_convolution_op(
        self, inputs: tf.Tensor, kernel: tf.Tensor
    ) -> tf.Tensor:
        if _has_gradient(inputs.dtype.name):
            return self.convolution_op(inputs, kernel)

        # Without oneDNN TensorFlow also fuses the plain operation with what follows
        # it, and then has no kernel for that: forwards, XLA is the way.
        convolve = super()._jit_compiled_convolution_op

        @tf.custom_gradient
        def convolve_with_gradient(inputs: tf.Tensor, kernel: tf.Tensor) -> Any:
            return convolve(inputs, kernel), functools.partial(
                self._gradient_by_groups, inputs, kernel
            )

        return convolve_with_gradient(inputs, kernel)

    def _gradient_by_groups(
        self, inputs: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the gradients with respect to inputs and kernel."""
        axis = -1 if self.data_format == "channels_last" else 1
        parts = zip(
            tf.split(inputs, self.groups, axis),
            tf.split(kernel, self.groups, -1),
            tf.split(upstream, self.groups, axis),
            strict=True,
        )
        input_gradients, kernel_gradients = [], []
        for part, part_kernel, part_upstream in parts:
            with tf.GradientTape() as tape:
                tape.watch((part, part_kernel))
                outputs = self.convolution_op(part, part_kernel)
            gradients = tape.gradient(outputs, (part, part_kernel), part_upstream)
            input_gradients.append(gradients[0])
            kernel_gradients.append(gradients[1])
        return tf.concat(input_gradients, axis), tf.concat(kernel_gradients, -1)


@functools.cache
def _has_gradient(dtype: str) -> bool:
    """Returns whether TensorFlow can derive a grouped convolution on this machine."""
    # No tape here: one inside tf.init_scope records nothing.
    with tf.init_scope():
        image = tf.zeros((1, 3, 3, 4), dtype)
        kernel = tf.zeros((3, 3, 2, 4), dtype)
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=image.shape,
                filter=kernel,
                out_backprop=image,
                strides=[1, 1, 1, 1],
                padding="SAME",
            )
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
    return True
