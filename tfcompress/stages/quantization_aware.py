"""QuantizationAware: int8 rounding in the forward pass, calibrated first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import tf_keras as keras

from tfcompress.data import check_model_fits
from tfcompress.errors import InvalidArgumentError, TrainingError
from tfcompress.quantization.apply import check_quantizable
from tfcompress.quantization.biases import round_biases
from tfcompress.quantization.calibration import Calibration
from tfcompress.quantization.post_training import quantize_calibrated
from tfcompress.run import Run, derive_seed
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train


@dataclass(frozen=True, kw_only=True)
class QuantizationAware(Fit):
    """Trains with int8 rounding in the forward pass, so that export costs nothing.

    Takes what TF-MOT by itself refuses (squeeze-and-excite, hard-swish, BatchNorm away
    from convolutions, slices, Rescaling) and rewrites what has to be: `diagnose` tells.
    Kernels of convolutions get a scale for each output channel, depthwise ones too;
    tensors that meet in a concatenation share one. Zeros that earlier stages made stay
    zero. The returned model carries TF-MOT's wrappers, which the exporter reads: the
    stage has to be last.

    Args:
      calibration: how the activation ranges are taken from training images, before
        training; the ranges then stay.
      keep_float: shell-style patterns of layers that may compute in float, where the
        runtime has no int8 operator for them. The audit of the export names them.
      preprocessing: what becomes of a Rescaling or Normalization at the input: `keep`
        makes it an int8 layer of its own, `fold` puts it into the first convolution.
      operators: `fast` writes hard swish and average pooling as operators that
        XNNPACK, which runs int8 files on phones, boards and servers, has a kernel for;
        `builtin` as LiteRT's own HARD_SWISH and AVERAGE_POOL_2D, for microcontrollers
        and accelerators that take these.
      epochs: 0 only calibrates.

    Raises:
      ModelError: a layer has no int8 operator and is not in `keep_float`.
      TrainingError: a layer came out less sparse than it went in.

    Example:
      >>> model = tfc.QuantizationAware(epochs=2, learning_rate=1e-4)(model, run)

    References:
      Jacob et al., Quantization and Training of Neural Networks for Efficient
      Integer-Arithmetic-Only Inference, arXiv:1712.05877, section 3.
    """

    calibration: Calibration = field(default_factory=Calibration)
    keep_float: tuple[str, ...] = ()
    preprocessing: Literal["keep", "fold"] = "keep"
    operators: Literal["fast", "builtin"] = "fast"

    provides: ClassVar[frozenset[str]] = frozenset({"quantization"})
    destroys: ClassVar[frozenset[str]] = frozenset({"quantization"})

    def __post_init__(self) -> None:
        """Checks the values that `Fit` does not know."""
        super().__post_init__()
        if isinstance(self.keep_float, str):
            raise InvalidArgumentError(
                f"QuantizationAware.keep_float is {self.keep_float!r}; expected a "
                'tuple of patterns, such as ("*norm*",)'
            )
        if not isinstance(self.calibration, Calibration):
            raise InvalidArgumentError(
                f"QuantizationAware.calibration is {self.calibration!r}; expected a "
                "tfc.Calibration"
            )
        if self.preprocessing not in ("keep", "fold"):
            raise InvalidArgumentError(
                f"QuantizationAware.preprocessing is {self.preprocessing!r}; expected "
                "'keep' or 'fold'"
            )
        if self.operators not in ("fast", "builtin"):
            raise InvalidArgumentError(
                f"QuantizationAware.operators is {self.operators!r}; expected 'fast' "
                "or 'builtin'"
            )

    def check(self, model: keras.Model) -> None:
        """Raises ModelError if a layer cannot be quantized and is not let off."""
        check_quantizable(model, self.keep_float, self.preprocessing, self.operators)

    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a fake-quantized copy of `model`."""
        check_model_fits(model, run.data)
        zeros = _zeros_by_layer(model)
        sample = run.data.calibration(
            self.calibration.num_images, derive_seed(run.seed, "calibration")
        )
        quantized = quantize_calibrated(
            model,
            sample.images,
            self.calibration,
            keep_float=self.keep_float,
            preprocessing=self.preprocessing,
            operators=self.operators,
        )
        if self.epochs:
            train(quantized, run, self)
            round_biases(quantized)
        _check_zeros(quantized, zeros)
        run.note(calibration_indices=list(sample.indices))
        return quantized


def _zeros_by_layer(model: keras.Model) -> dict[str, int]:
    """Returns the number of zeros in each kernel that has any, by layer name."""
    counts = {
        layer.name: int(np.sum(weight.numpy() == 0))
        for layer in model.layers
        for weight in layer.weights
        if weight.name.endswith("kernel:0")
    }
    return {name: count for name, count in counts.items() if count}


def _check_zeros(quantized: keras.Model, zeros: dict[str, int]) -> None:
    # TF-MOT replaces `layer.kernel` by its quantized tensor; the variable itself is
    # found among the trainable weights only.
    left = {
        layer.layer.name: int(np.sum(weight.numpy() == 0))
        for layer in quantized.layers
        for weight in getattr(layer, "trainable_weights", ())
        if hasattr(layer, "layer") and weight.name.endswith("kernel:0")
    }
    for name, count in zeros.items():
        if left.get(name, count) < count:
            raise TrainingError(
                f"quantization-aware training left {left[name]} of {count} zeros in "
                f"layer {name!r}; lower its learning rate, or leave the layer out of "
                "the pruning"
            )
