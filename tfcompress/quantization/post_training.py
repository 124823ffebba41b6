"""Quantization of a trained model, without training it any further."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.biases import correct_biases, round_biases
from tfcompress.quantization.calibration import Calibration, calibrate


def quantize_calibrated(
    model: keras.Model,
    images: Any,
    calibration: Calibration,
    *,
    is_final: bool = True,
    **options: Any,
) -> keras.Model:
    """Returns a model that rounds as an int8 file does, with ranges from images.

    Args:
      model: a canonical model of one input; stays as it is.
      images: float array `(num_images, height, width, channels)`.
      calibration: how; its `num_images` is not looked at.
      is_final: whether biases are made those of the file; where the model is trained
        next, `round_biases` has to be called after that.
      **options: of `fake_quantize`.

    Raises:
      ModelError: a layer has no int8 operator and may not stay float, or an activation
        is NaN or infinite.
    """
    quantized = fake_quantize(model, equalize=calibration.equalize, **options)
    calibrate(quantized, images, calibration)
    if calibration.correct_biases:
        correct_biases(quantized, images, calibration.batch_size)
    if is_final:
        round_biases(quantized)
    return quantized
