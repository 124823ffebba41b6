"""What quantization-aware training shows in TensorBoard, once an epoch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.quantization.calibration import activation_quantizers
from tfcompress.quantization.kept_weights import kept_kernels
from tfcompress.quantization.quantizers import observing
from tfcompress.training.checkpoints import writing_to


class QuantizationLog(keras.callbacks.Callback):
    """Writes how kernels and activations lie in their ranges.

    For each kernel that is the histogram `kernels/LAYER`; for each range, which has the
    name of its first layer, the histogram `activations/LAYER` of the values before
    rounding, their share outside of the range `clipped/LAYER`, and its bounds
    `range_low/LAYER` and `range_high/LAYER`. Ranges stay; values move in training.

    Args:
      quantized: what `fake_quantize` returned, calibrated.
      images: on which activations are measured, one batch.
      folder: of the event files.
    """

    def __init__(self, quantized: keras.Model, images: np.ndarray, folder: Path):
        super().__init__()
        self._quantized = quantized
        self._images = images
        self._folder = folder
        self._writer: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the event file."""
        with writing_to(self._folder):
            self._writer = tf.summary.create_file_writer(str(self._folder))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes kernels and activations as they are after the epoch."""
        with writing_to(self._folder), self._writer.as_default(step=epoch + 1):
            for kept in kept_kernels(self._quantized):
                tf.summary.histogram(f"kernels/{kept.wrapper.layer.name}", kept.kernel)
            self._write_activations()
            self._writer.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the event file."""
        self._writer.close()

    def _write_activations(self) -> None:
        ranges = {
            quantizer.group: (bounds["min"], bounds["max"])
            for quantizer, bounds in activation_quantizers(self._quantized)
        }
        for group, (low, high) in ranges.items():
            tf.summary.scalar(f"range_low/{group}", low)
            tf.summary.scalar(f"range_high/{group}", high)
        seen: Counter[str] = Counter()

        def write(group: str, values: tf.Tensor) -> None:
            low, high = ranges[group]
            seen[group] += 1
            # Tensors that meet in a concatenation have one range.
            tag = f"{group}_{seen[group]}" if seen[group] > 1 else group
            outside = tf.logical_or(values < low, values > high)
            share = tf.reduce_mean(tf.cast(outside, tf.float32))
            # Else the layer that is being called would be part of the tags.
            with tf.name_scope(""):
                tf.summary.histogram(f"activations/{tag}", values)
                tf.summary.scalar(f"clipped/{tag}", share)

        with observing(write):
            self._quantized(self._images, training=False)
