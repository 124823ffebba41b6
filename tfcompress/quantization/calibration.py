"""Setting the ranges of a fake-quantized model from images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)

from tfcompress.errors import ModelError
from tfcompress.field_types import check_types, refusal
from tfcompress.quantization.quantizers import (
    MIN_WIDTH,
    ActivationQuantizer,
    observing,
)
from tfcompress.quantization.ranges import mse_range, percentile_range

Method = Literal["min_max", "moving_average", "percentile", "mse"]
_Range = tuple[float, float]
_NUM_BINS = 2048


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How the range of each activation is chosen from images.

    Args:
      method: `mse` weighs what is cut off against what is rounded, and takes the least
        squared error; `min_max` holds every value seen; `moving_average` averages the
        extremes of the batches; `percentile` leaves rare values out.
      num_images: training images to look at.
      percentile: in (50, 100]: share of the values, in percent, that is not above a
        range, and that is not below it; for `percentile`.
      momentum: in [0, 1): weight of the batches before, for `moving_average`.
      batch_size: images in one forward pass.
      equalize: whether kernels that follow one another are first given channels of
        like size. Gains where a kernel has one scale; a ReLU6 between prevents it.
      correct_biases: whether biases lose, after it, what rounding the kernels adds to
        the means of the outputs.

    Raises:
      InvalidArgumentError: a value out of range.

    Example:
      >>> stage = tfc.QuantizationAware(calibration=tfc.Calibration(num_images=1024))

    References:
      Krishnamoorthi, Quantizing deep convolutional networks for efficient inference,
      arXiv:1806.08342; Wu et al., Integer Quantization for Deep Learning Inference,
      arXiv:2004.09602, section 3.3; Nagel et al., Data-Free Quantization Through Weight
      Equalization and Bias Correction, arXiv:1906.04721.
    """

    method: Method = "mse"
    num_images: int = 256
    percentile: float = 99.99
    momentum: float = 0.9
    batch_size: int = 32
    equalize: bool = False
    correct_biases: bool = False

    def __post_init__(self) -> None:
        """Checks the values."""
        check_types(self)
        for name in ("num_images", "batch_size"):
            if getattr(self, name) < 1:
                raise refusal(self, name, "a whole number of 1 or more.")
        if not 50 < self.percentile <= 100:
            raise refusal(self, "percentile", "above 50, at most 100.")
        if not 0 <= self.momentum < 1:
            raise refusal(self, "momentum", "in [0, 1).")


def calibrate(
    model: keras.Model, images: Any, calibration: Calibration | None = None
) -> None:
    """Sets every activation range of `model` in place, without training it.

    Each range holds 0, and the tensors of one group have one range. BatchNorm
    statistics are not touched.

    Args:
      model: what `fake_quantize` returned.
      images: float array `(num_images, height, width, channels)`, or a list of one
        array an input.
      calibration: how; its `num_images` is not looked at.

    Raises:
      ModelError: an activation is NaN or infinite.
    """
    calibration = calibration or Calibration()
    shown = batches(images, calibration.batch_size)
    if calibration.method == "moving_average":
        ranges = _moving_averages(model, shown, calibration.momentum)
    else:
        ranges = _extremes(model, shown)
    if calibration.method in ("percentile", "mse"):
        quantizers = [quantizer for quantizer, _ in activation_quantizers(model)]
        # Steps of int16 are fine enough for all that was seen.
        narrow = {q.group: ranges[q.group] for q in quantizers if not q.is_wide}
        counts = _histograms(model, shown, ranges)
        for group, (low, high) in narrow.items():
            edges = np.linspace(low, high, _NUM_BINS + 1)
            ranges[group] = (
                mse_range(counts[group], edges)
                if calibration.method == "mse"
                else percentile_range(counts[group], edges, calibration.percentile)
            )
    for quantizer, bounds in activation_quantizers(model):
        quantizer.set_range(bounds, *ranges[quantizer.group])


def batches(images: Any, size: int) -> list[Any]:
    """Returns what a model is called with, one item a batch.

    Args:
      images: an array, or a list of one array an input.
      size: images in a batch, at most.
    """
    if not isinstance(images, list):
        images = [images]
    starts = range(0, len(images[0]), size)
    batches = [[array[start : start + size] for array in images] for start in starts]
    return [batch if len(batch) > 1 else batch[0] for batch in batches]


def _show(
    model: keras.Model, batches: Sequence[Any], observer: Callable[[str, Any], None]
) -> None:
    """Shows the tensors of all batches, as they are before rounding, to an observer."""
    with observing(observer):
        for batch in batches:
            model(batch, training=False)


def _extremes(model: keras.Model, batches: Sequence[Any]) -> dict[str, _Range]:
    """Returns the smallest and the largest value of each group, and 0."""
    seen: dict[str, _Range] = {}

    def observe(group: str, tensor: tf.Tensor) -> None:
        low, high = seen.get(group, (0.0, 0.0))
        values = float(tf.reduce_min(tensor)), float(tf.reduce_max(tensor))
        if not np.isfinite(values).all():
            raise ModelError(
                f"{model.name!r} gives NaN or infinity in {group!r} on calibration "
                "images; train it again with a smaller learning rate"
            )
        seen[group] = min(low, values[0]), max(high, values[1])

    _show(model, batches, observe)
    return seen


def _moving_averages(
    model: keras.Model, batches: Sequence[Any], momentum: float
) -> dict[str, _Range]:
    """Returns the extremes of the batches, the later ones counting most."""
    averages: dict[str, _Range] = {}
    for batch in batches:
        for group, (low, high) in _extremes(model, [batch]).items():
            old = averages.get(group, (low, high))
            averages[group] = (
                momentum * old[0] + (1 - momentum) * low,
                momentum * old[1] + (1 - momentum) * high,
            )
    return averages


def _histograms(
    model: keras.Model, batches: Sequence[Any], ranges: dict[str, _Range]
) -> dict[str, np.ndarray]:
    """Returns how many values of each group each part of its range holds."""
    counts = {group: np.zeros(_NUM_BINS, np.int64) for group in ranges}

    def observe(group: str, tensor: tf.Tensor) -> None:
        low, high = ranges[group]
        bounds = [low, max(high, low + MIN_WIDTH)]
        counts[group] += tf.histogram_fixed_width(tensor, bounds, _NUM_BINS).numpy()

    _show(model, batches, observe)
    return counts


def activation_quantizers(
    model: keras.Model,
) -> Iterator[tuple[ActivationQuantizer, dict[str, tf.Variable]]]:
    """Yields what rounds activations of a fake-quantized model, and its bounds."""
    for layer in model.layers:
        if isinstance(layer, quantize_layer.QuantizeLayer):
            yield layer.quantizer, layer.quantizer_vars
        if isinstance(layer, quantize_wrapper.QuantizeWrapper):
            for quantizer in layer._output_quantizers:
                if isinstance(quantizer, ActivationQuantizer):
                    yield quantizer, layer._output_quantizer_vars
