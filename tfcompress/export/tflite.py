"""Export: a Keras model becomes a .tflite file that is what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.data.model_fit import check_model_fits
from tfcompress.errors import (
    ExportError,
    FloatOpError,
    InvalidArgumentError,
    ModelError,
)
from tfcompress.export.artifact import Artifact
from tfcompress.export.audit import CONVERSIONS, Audit, audit_graphs
from tfcompress.export.conversion import INTEGER, convert, names_in_file
from tfcompress.export.int4 import check_int4_available, with_int4_weights
from tfcompress.export.mixed_precision import MostSensitive, float_layers
from tfcompress.export.promises import check_weights
from tfcompress.export.slimming import slim
from tfcompress.field_types import check_types
from tfcompress.loading import load_model
from tfcompress.loading.live import is_quantized
from tfcompress.profiling.tflite_graph import parse_tflite
from tfcompress.quantization.calibration import Calibration
from tfcompress.quantization.post_training import quantize_calibrated
from tfcompress.rewriting.check import check_tf_keras
from tfcompress.rewriting.float32 import is_float32
from tfcompress.storage import file_path, write_bytes

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

Quantization = Literal["float32", "float16", "dynamic", "int4", "int8", "int16x8"]
# Fields that say how an int8 model is planned, as those of `QuantizationAware` do.
_OF_PLAN = ("keep_float", "keep_int16", "preprocessing", "operators", "per_channel")
_INT8_ONLY = ("port_type", *_OF_PLAN)
_SLIMMED = ("int4", *INTEGER)


@dataclass(frozen=True, kw_only=True)
class Export:
    """The last line of a recipe: which kind of .tflite file to write.

    Args:
      quantization: `float32`; `float16` (weights); `dynamic` (int8 weights, float
        activations); `int4` (likewise, by ai-edge-quantizer, an optional extra; see
        below); `int8` (all integer); `int16x8` (int16 activations, int8 weights).
      calibration: how the ranges of activations are chosen for `int8`, and from how
        many images for `int16x8`, whose ranges are the converter's. Of a model that
        went through `QuantizationAware`, they are known.
      keep_float: layers that compute in float in an `int8` file, as for
        `QuantizationAware`: shell-style patterns, or `MostSensitive`.
      keep_int16: layers with int16 activations in an `int8` file, likewise: patterns.
      preprocessing: of an `int8` file, as for `QuantizationAware`: `keep` or `fold`.
      operators: likewise: `fast` or `builtin`.
      per_channel: likewise: whether kernels of convolutions have a scale for each
        output channel, or one in all.
      port_type: of input and output of an `int8` file: `int8`, `uint8` or `float32`.
      slim: whether bytes that no runtime needs are left out of int4, int8 and int16x8
        files, names of layers among them; see `slim_tflite`.

    LiteRT has kernels for int4 weights in CONV_2D and FULLY_CONNECTED; depthwise and
    transposed convolutions stay float32, and the audit tells. XNNPACK takes the dense
    layers only: convolutions run on LiteRT's own kernels, slower than in float32, so
    `int4` is for small files, not for speed. TensorFlow Lite Micro cannot run them.

    Example:
      >>> Recipe(..., export=Export(quantization="int8"))
    """

    quantization: Quantization = "int8"
    calibration: Calibration = field(default_factory=Calibration)
    keep_float: tuple[str, ...] | MostSensitive = ()
    keep_int16: tuple[str, ...] = ()
    preprocessing: Literal["keep", "fold"] = "keep"
    operators: Literal["fast", "builtin"] = "fast"
    per_channel: bool = True
    port_type: Literal["int8", "uint8", "float32"] = "int8"
    slim: bool = True

    def __post_init__(self) -> None:
        """Checks the values."""
        check_types(self)
        if self.quantization == "int8":
            self._check_budget()
            return
        for name in _INT8_ONLY:
            if getattr(self, name) != getattr(Export, name):
                raise InvalidArgumentError(
                    f"Export {name}={getattr(self, name)!r} is for int8, but the file "
                    f"is to be {self.quantization}; leave {name} out, or export int8"
                )

    def _check_budget(self) -> None:
        """Refuses a budget of bytes for another file than is measured."""
        budget = getattr(self.keep_float, "max_bytes", None)
        if budget and not (self.slim and self.port_type == "int8"):
            raise InvalidArgumentError(
                f"max_bytes={budget} counts a slimmed file with int8 ports; leave slim "
                "and port_type as they are, or give max_top1_drop"
            )

    def check_available(self) -> None:
        """Raises ExportError if the file wants a package that is not installed."""
        if self.quantization == "int4":
            check_int4_available()

    def check_fits_quantized(self) -> None:
        """Raises InvalidArgumentError if a QuantizationAware model cannot be exported.

        What that stage decides is not decided again.
        """
        if self.quantization != "int8":
            raise InvalidArgumentError(
                "a model that goes through QuantizationAware fits int8 only; export "
                f"{self.quantization} from the model before that stage"
            )
        for name in ("calibration", *_OF_PLAN):
            if getattr(self, name) != getattr(Export(), name):
                raise InvalidArgumentError(
                    f"Export {name}={getattr(self, name)!r} comes too late for a model "
                    f"that goes through QuantizationAware; give {name} to that stage"
                )


def export_tflite(
    model: keras.Model,
    path: str | Path,
    data: Dataset | None = None,
    quantization: Quantization = "int8",
    *,
    seed: int = 0,
    **options: Any,
) -> Artifact:
    """Converts a Keras model to a .tflite file and audits it.

    Equal weights give an equal file, byte by byte, whatever else the process has
    built. Weights of `int8` and `int16x8` have one scale for each output channel, those
    of dense layers one for the whole kernel; of `int4` all have one for each.
    The file takes one image; LiteRT can resize it to a batch.

    Args:
      model: a canonical tf_keras model of one input `(batch, height, width, channels)`
        and one output; all but `int8` and `int16x8` take several outputs, which the
        file has in the order of `model.output_names`. After `QuantizationAware`
        its own ranges are used.
      path: the file to write, whole or not at all.
      data: calibrates `int8` and `int16x8` of a model without QAT.
      quantization: one of `float32`, `float16`, `dynamic`, `int4`, `int8`, `int16x8`.
      seed: chooses the images to calibrate with.
      **options: other fields of `Export`, such as `calibration`.

    Returns:
      The file's digest, bytes and audit.

    Raises:
      InvalidArgumentError: an unknown quantization, no data to calibrate with, or a
        QAT model asked for anything but int8.
      ModelError: the model cannot be exported, or the data does not fit it.
      ExportError: the converter failed, or the file has fewer zeros in a layer, or more
        values, than the model promised; `int4` without ai-edge-quantizer.
      FloatOpError: it left a float operator in an integer file; nothing is written.
      WorkdirError: the file cannot be written.

    Example:
      >>> tfc.export_tflite(model, "model.tflite", data).audit.float_ops
      ()
    """
    export = Export(quantization=quantization, **options)
    path = file_path(path)
    indices: tuple[int, ...] = ()
    images = None
    has_ranges = _check_model(model)
    if not all(map(is_float32, model.layers)):
        # The runtime has no operators for other float types.
        model = load_model(model)
    if has_ranges:
        export.check_fits_quantized()
    elif quantization in INTEGER:
        data = _fitting(data, model, quantization)
        sample = data.calibration(export.calibration.num_images, seed)
        indices, images = tuple(sample.indices), sample.images
        if quantization == "int8":
            model, images = _quantized(model, data, images, export, seed), None
    if quantization == "int4":
        content = with_int4_weights(convert(model, "float32"))
    else:
        content = convert(model, quantization, images, export.port_type)
    audit = audit_graphs(parse_tflite(content, str(path)))
    _check_audit(audit, export, model)
    check_weights(model, audit)
    if export.slim and quantization in _SLIMMED:
        content = slim(content, source=str(path))
    write_bytes(path, content)
    return Artifact.of(path, content, quantization, audit, indices)


def _fitting(
    data: Dataset | None, model: keras.Model, quantization: Quantization
) -> Dataset:
    """Returns the data that a model is calibrated with, if it can be."""
    if data is None:
        raise InvalidArgumentError(
            f"{quantization} export of {model.name!r} needs data to calibrate "
            "with; pass data=, or train it with QuantizationAware first"
        )
    if len(model.outputs) > 1:
        raise ModelError(
            f"{model.name!r} has {len(model.outputs)} outputs and {quantization} "
            "wants one; export float32, float16 or dynamic, or one output: "
            "keras.Model(model.input, model.outputs[0])"
        )
    check_model_fits(model, data)
    return data


def _quantized(
    model: keras.Model, data: Dataset, images: np.ndarray, export: Export, seed: int
) -> keras.Model:
    options = {name: getattr(export, name) for name in _OF_PLAN}
    options["keep_float"] = float_layers(model, data, export.calibration, seed, options)
    return quantize_calibrated(model, images, export.calibration, **options)


def _check_model(model: keras.Model) -> bool:
    """Returns whether the model carries QAT's ranges."""
    check_tf_keras(model)
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or None in shape[1:]:
        raise ModelError(
            f"{model.name!r} has the input shape {shape}; expected one input whose "
            "height, width and channels are numbers: build it with an input_shape"
        )
    if any(type(layer).__name__ == "PruneLowMagnitude" for layer in model.layers):
        raise ModelError(
            f"{model.name!r} still carries pruning wrappers; remove them with "
            "tensorflow_model_optimization's strip_pruning first"
        )
    broken = [weight.name for weight in model.weights if not _is_finite(weight)]
    if broken:
        raise ModelError(
            f"{model.name!r} has NaN or infinite values in {broken[0]}; nothing was "
            "exported: train it again with a smaller learning rate"
        )
    return is_quantized(model.layers)


def _check_audit(audit: Audit, export: Export, model: keras.Model) -> None:
    if export.quantization == "int4":
        _check_int4(audit, model)
    if export.quantization not in INTEGER:
        return
    layers = [model, *model.layers]
    allowed = {
        name.removeprefix("quant_")
        for layer, name in zip(layers, names_in_file(layers), strict=True)
        if getattr(getattr(layer, "quantize_config", None), "is_float", False)
    }
    # Around a layer in float stand conversions, which bear their neighbours' names.
    converts = bool(allowed) or export.port_type == "float32"
    conversions = CONVERSIONS if converts else ()
    left = [
        f"{op} in layer {layer!r}"
        for op, layer in audit.float_ops
        if op not in conversions and layer not in allowed
    ]
    if not left:
        return
    more = f" and {len(left) - 4} more" if len(left) > 4 else ""
    raise FloatOpError(
        f"{export.quantization} export of {model.name!r} left float operators: "
        f"{', '.join(left[:4])}{more}; replace these layers by ones that TFLite can "
        "quantize, name them in the keep_float of whoever quantized it, or export "
        "dynamic"
    )


def _check_int4(audit: Audit, model: keras.Model) -> None:
    if all(precision.weights != "int4" for precision in audit.precisions):
        raise ExportError(
            f"int4 export of {model.name!r} left no kernel in int4, which the runtime "
            "computes with in convolutions and dense layers only; export dynamic"
        )


def _is_finite(weight: tf.Variable) -> bool:
    return not weight.dtype.is_floating or bool(np.isfinite(weight.numpy()).all())
