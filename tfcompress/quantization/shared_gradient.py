"""The gradient of weights that stay equal."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


@tf.custom_gradient
def share(kernel: tf.Tensor, leaders: tf.Tensor) -> Any:
    """Gives each weight the value of another one, and all that do so one gradient.

    Args:
      kernel: of any shape.
      leaders: of the same shape: places in the flat kernel.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        groups = tf.reshape(leaders, [-1])
        means = tf.math.unsorted_segment_mean(
            tf.reshape(upstream, [-1]), groups, tf.size(leaders)
        )
        return tf.gather(means, leaders), None

    return tf.gather(tf.reshape(kernel, [-1]), leaders), gradient
