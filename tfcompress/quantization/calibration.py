"""Setting the ranges of a fake-quantized model from images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)

from tfcompress.errors import ModelError
from tfcompress.quantization.quantizers import ActivationQuantizer, observing

# What a layer that gives zeros only gets, lest its scale be 0.
_MIN_WIDTH = 1e-6


def calibrate(model: keras.Model, images: Any, batch_size: int = 128) -> None:
    """Sets every activation range of `model` in place, without training it.

    A range runs from the smallest to the largest value seen in any tensor of its
    group, and holds 0. BatchNorm statistics are not touched.

    Args:
      model: what `fake_quantize` returned.
      images: float array `(num_images, height, width, channels)`, or a list of one
        array an input.
      batch_size: images in one forward pass.

    Raises:
      ModelError: an activation is NaN or infinite.
    """
    seen: dict[str, tuple[float, float]] = {}

    def observe(group: str, tensor: tf.Tensor) -> None:
        low, high = seen.get(group, (0.0, 0.0))
        values = float(tf.reduce_min(tensor)), float(tf.reduce_max(tensor))
        if not np.isfinite(values).all():
            raise ModelError(
                f"{model.name!r} gives NaN or infinity in {group!r} on calibration "
                "images; train it again with a smaller learning rate"
            )
        seen[group] = min(low, values[0]), max(high, values[1])

    inputs = images if isinstance(images, list) else [images]
    with observing(observe):
        for start in range(0, len(inputs[0]), batch_size):
            batch = [array[start : start + batch_size] for array in inputs]
            model(batch if len(batch) > 1 else batch[0], training=False)
    for quantizer, bounds in _activation_quantizers(model):
        low, high = seen[quantizer.group]
        bounds["min"].assign(low)
        bounds["max"].assign(max(high, low + _MIN_WIDTH))


def _activation_quantizers(
    model: keras.Model,
) -> Iterator[tuple[ActivationQuantizer, dict[str, tf.Variable]]]:
    for layer in model.layers:
        if isinstance(layer, quantize_layer.QuantizeLayer):
            yield layer.quantizer, layer.quantizer_vars
        if isinstance(layer, quantize_wrapper.QuantizeWrapper):
            for quantizer in layer._output_quantizers:
                if isinstance(quantizer, ActivationQuantizer):
                    yield quantizer, layer._output_quantizer_vars
