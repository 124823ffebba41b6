"""Export: a Keras model becomes a .tflite file that is what was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras.src.utils.generic_utils import to_snake_case

from tfcompress.data.model_fit import check_model_fits
from tfcompress.errors import (
    ExportError,
    FloatOpError,
    InvalidArgumentError,
    ModelError,
)
from tfcompress.export.artifact import Artifact
from tfcompress.export.audit import Audit, audit_graphs
from tfcompress.export.converter_noise import captured_output
from tfcompress.export.uniform_biases import no_uniform_biases
from tfcompress.profiling.tflite_graph import parse_tflite
from tfcompress.quantization.quantizers import frozen_weights
from tfcompress.storage import write_bytes

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

QUANTIZATIONS = ("float32", "float16", "dynamic", "int8", "int16x8")
_INTEGER = {"int8": tf.int8, "int16x8": tf.int16}
_QAT_LAYERS = frozenset({"QuantizeLayer", "QuantizeWrapper", "QuantizeWrapperV2"})


@dataclass(frozen=True, kw_only=True)
class Export:
    """The last line of a recipe: which kind of .tflite file to write.

    Args:
      quantization: `float32`; `float16` (weights); `dynamic` (int8 weights, float
        activations); `int8` (all integer); `int16x8` (int16 activations, int8
        weights).
      num_calibration: number of training images from which activation ranges are
        taken; not used by float32, float16 and dynamic, nor after QAT.

    Example:
      >>> Recipe(..., export=Export(quantization="int8"))
    """

    quantization: str = "int8"
    num_calibration: int = 256

    def __post_init__(self) -> None:
        """Checks the values."""
        _check_arguments(self.quantization, self.num_calibration)


def export_tflite(
    model: keras.Model,
    path: str | Path,
    data: Dataset | None = None,
    quantization: str = "int8",
    num_calibration: int = 256,
    seed: int = 0,
) -> Artifact:
    """Converts a Keras model to a .tflite file and audits it.

    Equal weights give an equal file, byte by byte, whatever else the process has
    built. Input and output of `int8` are int8 and of `int16x8` int16; the weights of
    both are int8, one scale per output channel. After QAT the scales are TF-MOT's: one
    per channel for convolutions, one for the whole kernel for dense layers. The file
    takes one image; LiteRT can resize it to a batch.

    Args:
      model: a tf_keras model of one input `(batch, height, width, channels)` and one
        output; after `QuantizationAware` its own ranges are used.
      path: the file to write, whole or not at all.
      data: calibrates `int8` and `int16x8` of a model without QAT.
      quantization: one of `float32`, `float16`, `dynamic`, `int8`, `int16x8`.
      num_calibration: number of training images to calibrate with.
      seed: chooses them.

    Returns:
      The file's digest, bytes and audit.

    Raises:
      InvalidArgumentError: an unknown quantization, no data to calibrate with, or a
        QAT model asked for anything but int8.
      ModelError: the model cannot be exported, or the data does not fit it.
      ExportError: the converter failed.
      FloatOpError: it left a float operator in an integer file; nothing is written.
      WorkdirError: the file cannot be written.

    Example:
      >>> tfc.export_tflite(model, "model.tflite", data).audit.float_ops
      ()
    """
    _check_arguments(quantization, num_calibration)
    is_qat = _check_model(model, quantization)
    indices: tuple[int, ...] = ()
    images = None
    if quantization in _INTEGER and not is_qat:
        if data is None:
            raise InvalidArgumentError(
                f"{quantization} export of {model.name!r} needs data to calibrate "
                "with; pass data=, or train it with QuantizationAware first"
            )
        check_model_fits(model, data)
        sample = data.calibration(num_calibration, seed)
        indices, images = tuple(sample.indices), sample.images
    content = _convert(model, quantization, images)
    audit = audit_graphs(parse_tflite(content, str(path)))
    _check_audit(audit, quantization, model)
    write_bytes(path, content)
    return Artifact.of(path, content, quantization, audit, indices)


def _check_arguments(quantization: str, num_calibration: int) -> None:
    if quantization not in QUANTIZATIONS:
        raise InvalidArgumentError(
            f"quantization is {quantization!r}; expected one of "
            f"{', '.join(QUANTIZATIONS)}"
        )
    if num_calibration < 1:
        raise InvalidArgumentError(
            f"num_calibration is {num_calibration}; expected at least 1 image"
        )


def _check_model(model: keras.Model, quantization: str) -> bool:
    """Returns whether the model carries QAT's ranges."""
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"cannot export a {type(model).__name__}; expected a tf_keras model, "
            "convert it with tfcompress.load_model first"
        )
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or None in shape[1:]:
        raise ModelError(
            f"{model.name!r} has the input shape {shape}; expected one input whose "
            "height, width and channels are numbers: build it with an input_shape"
        )
    kinds = {type(layer).__name__ for layer in model.layers}
    if "PruneLowMagnitude" in kinds:
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
    is_qat = bool(kinds & _QAT_LAYERS)
    if is_qat and quantization != "int8":
        raise InvalidArgumentError(
            f"{model.name!r} went through QuantizationAware, which fits int8 only; "
            f"export {quantization} from the model before that stage"
        )
    return is_qat


def _convert(model: keras.Model, quantization: str, images: np.ndarray | None) -> bytes:
    with captured_output() as noise, no_uniform_biases(model):
        try:
            return bytes(_converter(model, quantization, images).convert())
        except Exception as error:
            # The converter raises many types, all of them with pages of text.
            reason = _first_line(error) or noise.last_line()
            raise ExportError(
                f"the TFLite converter cannot convert {model.name!r} to "
                f"{quantization}: {reason}; replace the layer it names, or export "
                "float32"
            ) from error


def _converter(model: keras.Model, quantization: str, images: np.ndarray | None) -> Any:
    # By way of a frozen function: the default way writes and reads a SavedModel, which
    # takes seconds, and the file is larger for the signature and the open batch size.
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    with _canonical_names(model), frozen_weights():
        function = tf.function(
            lambda image: model(image, training=False),
            input_signature=[spec],
            autograph=False,
        ).get_concrete_function()
    if len(function.outputs) != 1:
        raise ValueError(f"it has {len(function.outputs)} outputs instead of 1")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if quantization != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization in _INTEGER:
        converter.inference_input_type = _INTEGER[quantization]
        converter.inference_output_type = _INTEGER[quantization]
    if images is not None:
        ops = tf.lite.OpsSet
        converter.representative_dataset = lambda: _one_by_one(images)
        converter.target_spec.supported_ops = [
            ops.TFLITE_BUILTINS_INT8
            if quantization == "int8"
            else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    return converter


def _one_by_one(images: np.ndarray) -> Iterator[Sequence[np.ndarray]]:
    for image in images:
        yield [image[np.newaxis]]


@contextmanager
def _canonical_names(model: keras.Model) -> Iterator[None]:
    """Renumbers Keras' automatic names (`conv2d_17`) from 0 while a graph is traced.

    Keras counts on through the life of a process, and tensor names end up in the file.
    """
    layers = [model, *model.layers]
    names = [layer.name for layer in layers]
    try:
        for layer, name in zip(layers, _names_in_file(layers), strict=True):
            layer._name = name
        yield
    finally:
        for layer, name in zip(layers, names, strict=True):
            layer._name = name


def _names_in_file(layers: Sequence[keras.layers.Layer]) -> list[str]:
    counts: Counter[str] = Counter()
    names = []
    for layer in layers:
        name = layer.name
        stem, _, number = name.rpartition("_")
        stem = stem if number.isdigit() else name
        if stem in _automatic_stems(layer):
            name = f"{stem}_{counts[stem]}" if counts[stem] else stem
            counts[stem] += 1
        names.append(name)
    return names


def _automatic_stems(layer: keras.layers.Layer) -> set[str]:
    kinds = {type(layer), type(getattr(layer, "layer", layer))}
    stems = {to_snake_case(kind.__name__) for kind in kinds}
    return stems | {f"quant_{stem}" for stem in stems} | {"model", "sequential"}


def _check_audit(audit: Audit, quantization: str, model: keras.Model) -> None:
    if quantization not in _INTEGER:
        return
    layers = [model, *model.layers]
    allowed = {
        name.removeprefix("quant_")
        for layer, name in zip(layers, _names_in_file(layers), strict=True)
        if getattr(getattr(layer, "quantize_config", None), "is_float", False)
    }
    # Around a layer in float stand conversions, which bear their neighbours' names.
    conversions = ("QUANTIZE", "DEQUANTIZE") if allowed else ()
    left = [
        f"{op} in layer {layer!r}"
        for op, layer in audit.float_ops
        if op not in conversions and layer not in allowed
    ]
    if not left:
        return
    more = f" and {len(left) - 4} more" if len(left) > 4 else ""
    raise FloatOpError(
        f"{quantization} export of {model.name!r} left float operators: "
        f"{', '.join(left[:4])}{more}; replace these layers by ones that TFLite can "
        "quantize, let QuantizationAware(keep_float=...) name them, or export dynamic"
    )


def _is_finite(weight: tf.Variable) -> bool:
    return not weight.dtype.is_floating or bool(np.isfinite(weight.numpy()).all())


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else ""
