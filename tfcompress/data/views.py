"""Views: seeded augmentations of the training images, each with what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True, eq=False)
class Views:
    """A number of views of each training image, each with a value, such as logits.

    Attributes:
      seed: of their augmentation; see `Dataset.view_batches`.
      values: for each view an array with a row for each training image, in order. They
        may be memory-mapped: only the rows of a batch are read.
    """

    seed: int
    values: tuple[np.ndarray, ...]

    def read(self, view: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        """Returns the values of some images in a view, `(batch, ...)`."""
        form = self.values[0]

        def rows(view: int, indices: np.ndarray) -> np.ndarray:
            return self.values[view][indices]

        values = tf.numpy_function(rows, [view, indices], form.dtype)
        return tf.ensure_shape(values, [None, *form.shape[1:]])
