"""QuantizationAware: TF-MOT's QAT, calibrated first, keeping zeros."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError, TrainingError
from tfcompress.run import Run, derive_seed
from tfcompress.stages.stage import clone_model
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train

_quantizers = tfmot.quantization.keras.quantizers
# TF-MOT gives the network's input an AllValuesQuantizer, all else the other one.
_ACTIVATION_QUANTIZERS = (
    _quantizers.AllValuesQuantizer,
    _quantizers.MovingAverageQuantizer,
)


@dataclass(frozen=True, kw_only=True)
class QuantizationAware(Fit):
    """Trains with int8 rounding in the forward pass, so that export costs nothing.

    Zeros that earlier stages made stay zero. The returned model carries TF-MOT's
    fake-quantization nodes, which the exporter reads: the stage has to be last.

    Args:
      num_calibration: number of training images from which the activation ranges are
        taken before training. TF-MOT starts them at +-6 and moves them by 0.1 % a
        step, which a short training never makes up for.
      epochs: 0 only calibrates.

    Raises:
      TrainingError: a layer came out less sparse than it went in.

    Example:
      >>> model = tfc.QuantizationAware(epochs=2, learning_rate=1e-4)(model, run)

    References:
      Jacob et al., Quantization and Training of Neural Networks for Efficient
      Integer-Arithmetic-Only Inference, arXiv:1712.05877, section 3.
    """

    num_calibration: int = 256

    provides: ClassVar[frozenset[str]] = frozenset({"quantization"})
    destroys: ClassVar[frozenset[str]] = frozenset({"quantization"})

    def __post_init__(self) -> None:
        """Checks the values that `Fit` does not know."""
        super().__post_init__()
        if self.num_calibration < 1:
            raise InvalidArgumentError(
                f"QuantizationAware.num_calibration is {self.num_calibration}; "
                "expected at least 1 image"
            )

    def check(self, model: keras.Model) -> None:
        """Takes any model; TF-MOT names a layer that it cannot quantize."""

    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a fake-quantized copy of `model`."""
        zeros = _zeros_by_layer(model)
        quantized = _quantize(clone_model(model), keep_zeros=bool(zeros))
        sample = run.data.calibration(
            self.num_calibration, derive_seed(run.seed, "calibration")
        )
        calibrate(quantized, sample.images)
        if self.epochs:
            train(quantized, run, self)
        _check_zeros(quantized, zeros)
        run.note(calibration_indices=list(sample.indices))
        return quantized


def calibrate(model: keras.Model, images: np.ndarray, batch_size: int = 128) -> None:
    """Sets every fake-quantization range of `model` in place, without training.

    Activation ranges become the smallest and largest value seen; weight ranges those
    of the weights. BatchNorm statistics are not touched.

    Args:
      model: a model that TF-MOT's `quantize_apply` returned.
      images: float array of shape `(num_images, height, width, channels)`.
      batch_size: images in one forward pass.
    """
    for layer in model.layers:
        for weight, quantizer, ranges in getattr(layer, "_weight_vars", ()):
            quantizer(weight, True, weights=ranges)
    with _observing():
        for start in range(0, len(images), batch_size):
            model(images[start : start + batch_size], training=False)


@contextmanager
def _observing() -> Iterator[None]:
    """Makes activation quantizers widen their range and pass values through.

    TF-MOT has no such mode: its ranges move only in training mode, where BatchNorm
    statistics would move as well.
    """
    seen: set[int] = set()

    def observe(
        self: Any, inputs: tf.Tensor, training: bool, weights: Any, **kwargs: Any
    ) -> tf.Tensor:
        del self, training, kwargs
        low, high = weights["min_var"], weights["max_var"]
        if id(low) not in seen:
            seen.add(id(low))
            low.assign(0.0)
            high.assign(0.0)
        low.assign(tf.minimum(low, tf.reduce_min(inputs)))
        high.assign(tf.maximum(high, tf.reduce_max(inputs)))
        return inputs

    with ExitStack() as patches:
        for quantizer in _ACTIVATION_QUANTIZERS:
            patches.callback(setattr, quantizer, "__call__", quantizer.__call__)
            quantizer.__call__ = observe
        yield


def _quantize(model: keras.Model, keep_zeros: bool) -> keras.Model:
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    if not keep_zeros:
        return tfmot.quantization.keras.quantize_apply(annotated)
    scheme = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
    return tfmot.quantization.keras.quantize_apply(annotated, scheme)


def _zeros_by_layer(model: keras.Model) -> dict[str, int]:
    """Returns the number of zeros in each kernel that has any, by layer name."""
    counts = {
        layer.name: int(np.sum(layer.kernel.numpy() == 0))
        for layer in model.layers
        if hasattr(layer, "kernel")
    }
    return {name: count for name, count in counts.items() if count}


def _check_zeros(quantized: keras.Model, zeros: dict[str, int]) -> None:
    # TF-MOT replaces `layer.kernel` by its quantized tensor; the variable itself is
    # found among the trainable weights only.
    left = {
        layer.layer.name: int(np.sum(weight.numpy() == 0))
        for layer in quantized.layers
        for weight in getattr(layer, "trainable_weights", ())
        if hasattr(layer, "layer") and weight.name.endswith("/kernel:0")
    }
    for name, count in zeros.items():
        if left[name] < count:
            raise TrainingError(
                f"quantization-aware training left {left[name]} of {count} zeros in "
                f"layer {name!r}; lower its learning rate, or leave the layer out of "
                "the pruning"
            )
