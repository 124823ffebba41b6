"""QuantizationAware: int8 rounding in the forward pass, calibrated first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import tf_keras as keras

from tfcompress.data import check_model_fits
from tfcompress.errors import ModelError
from tfcompress.export.mixed_precision import MostSensitive, float_layers
from tfcompress.quantization.apply import check_quantizable, layers_without_int8
from tfcompress.quantization.biases import round_biases
from tfcompress.quantization.calibration import Calibration
from tfcompress.quantization.kept_weights import check_kept, kept_weights, share_values
from tfcompress.quantization.post_training import quantize_calibrated
from tfcompress.rewriting.float32 import float32_policy
from tfcompress.run import Run, derive_seed
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train
from tfcompress.training.quantization_log import QuantizationLog

_REWRITING = (
    "what int8 folds into its channels; exclude it from Clustering, or leave "
    "preprocessing='fold' or Calibration(equalize=True) out"
)
_NUM_LOGGED = 16  # images whose activations TensorBoard shows
_TRAINING = "training; lower the learning rate, or exclude it from the stage before"


@dataclass(frozen=True, kw_only=True)
class QuantizationAware(Fit):
    """Trains with int8 rounding in the forward pass, so that export costs nothing.

    Takes what TF-MOT by itself refuses (squeeze-and-excite, hard-swish, BatchNorm away
    from convolutions, slices, Rescaling) and rewrites what has to be: `diagnose` tells.
    Kernels of convolutions get a scale for each output channel, depthwise ones too;
    tensors that meet in a concatenation share one. Zeros that earlier stages made stay
    zero, and weights that Clustering made equal stay equal; where it clustered a layer
    as a whole, the kernel has one scale, for its integers to be as few. The returned
    model carries TF-MOT's wrappers, which the exporter reads: the stage has to be last.
    TensorBoard shows, epoch by epoch, how kernels and activations lie in their ranges.

    Args:
      calibration: how the activation ranges are taken from training images, before
        training; the ranges then stay.
      keep_float: shell-style patterns of layers that compute in float, with what ends
        in the same operator, such as BatchNormalization and ReLU behind a convolution.
        Layers without an int8 operator have to be among them. `MostSensitive` chooses
        them, before training; they are among the facts of the run.
      keep_int16: likewise, of layers with int16 activations and int8 weights. What
        neighbours in int8 give them has been rounded already, so it gains where several
        such layers follow one another. What `keep_float` names too computes in float.
      preprocessing: what becomes of a Rescaling or Normalization at the input: `keep`
        makes it an int8 layer of its own, `fold` puts it into the first convolution.
      operators: `fast` writes hard swish and average pooling as operators that
        XNNPACK, which runs int8 files on phones, boards and servers, has a kernel for;
        `builtin` as LiteRT's own HARD_SWISH and AVERAGE_POOL_2D, for microcontrollers
        and accelerators that take these.
      per_channel: whether kernels of convolutions have a scale for each output channel;
        False gives them one in all, and folds BatchNormalizations first.
      epochs: 0 only calibrates.

    Raises:
      ModelError: a layer has no int8 operator and is not in `keep_float`.
      TrainingError: a layer came out less sparse than it went in, or with more values
        than those that it shared.

    Example:
      >>> model = tfc.QuantizationAware(epochs=2, learning_rate=1e-4)(model, run)

    References:
      Jacob et al., Quantization and Training of Neural Networks for Efficient
      Integer-Arithmetic-Only Inference, arXiv:1712.05877, section 3.
    """

    calibration: Calibration = field(default_factory=Calibration)
    keep_float: tuple[str, ...] | MostSensitive = ()
    keep_int16: tuple[str, ...] = ()
    preprocessing: Literal["keep", "fold"] = "keep"
    operators: Literal["fast", "builtin"] = "fast"
    per_channel: bool = True

    provides: ClassVar[frozenset[str]] = frozenset({"quantization"})
    destroys: ClassVar[frozenset[str]] = frozenset({"quantization"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective and self.objective.mean_teacher:
            self._refuse(
                "objective", "of a float teacher: a MeanTeacher would be quantized too."
            )

    def check(self, model: keras.Model) -> None:
        """Raises ModelError if a layer cannot be quantized and is not let off.

        Or if the objective compares one that becomes others.
        """
        options = self._options()
        if isinstance(self.keep_float, MostSensitive):
            needed = layers_without_int8(model, **options | {"keep_float": ()})
            options["keep_float"] = needed
        left = check_quantizable(model, **options)
        gone = {layer.name for layer in model.layers} - left
        terms = self.objective.terms if self.objective else ()
        compared = {layer for loss, _ in terms for layer, _ in loss.pairs}
        for name in sorted(gone & compared):
            raise ModelError(
                f"The layer {name!r} of {model.name!r} becomes others, or part of one, "
                "before QAT, so the objective cannot compare it; name one next to it."
            )

    @float32_policy()
    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a fake-quantized copy of `model`."""
        check_model_fits(model, run.data)
        kept = kept_weights(model)
        seed = derive_seed(run.seed, "calibration")
        sample = run.data.calibration(self.calibration.num_images, seed)
        options = self._options()
        options["keep_float"] = float_layers(
            model, run.data, self.calibration, seed, options
        )
        quantized = quantize_calibrated(
            model,
            sample.images,
            self.calibration,
            is_final=not self.epochs,
            **options,
        )
        check_kept(quantized, kept, _REWRITING)
        if self.epochs:
            folder = replace(run, label=type(self).__name__).tensorboard_dir
            shown = sample.images[:_NUM_LOGGED]
            # A folder of its own: TensorBoard follows one file of each.
            log = QuantizationLog(quantized, shown, folder / "quantization")
            train(quantized, run, self, [log])
            share_values(quantized)
            round_biases(quantized)
            check_kept(quantized, kept, _TRAINING)
        if isinstance(self.keep_float, MostSensitive):
            run.note(float_layers=list(options["keep_float"]))
        run.note(calibration_indices=list(sample.indices))
        return quantized

    def _options(self) -> dict[str, Any]:
        """Returns the settings that `fake_quantize` takes."""
        names = ("keep_float", "keep_int16", "preprocessing", "operators")
        return {name: getattr(self, name) for name in (*names, "per_channel")}
