"""What the TFLite converter is given, and the names in what it makes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras.src.utils.generic_utils import to_snake_case

from tfcompress.errors import ExportError
from tfcompress.export.converter_noise import captured_output
from tfcompress.export.precision_changes import without_precision_changes
from tfcompress.export.uniform_biases import no_uniform_biases
from tfcompress.quantization.quantizers import frozen_weights

INTEGER = ("int8", "int16x8")
# A layer that was rewritten has the name of what it was.
_KERAS_STEMS = {
    to_snake_case(name)
    for name, kind in vars(keras.layers).items()
    if isinstance(kind, type)
}
_INT16_ACTIVATIONS = (
    tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
)


def convert(
    model: keras.Model,
    quantization: str,
    images: np.ndarray | None = None,
    port_type: str = "int8",
) -> bytes:
    """Returns the .tflite file of a model.

    Args:
      model: of one input whose shape is known.
      quantization: as of `Export`.
      images: for the converter's own calibration, of `int16x8`.
      port_type: of input and output of `int8`.

    Raises:
      ExportError: the converter failed.
    """
    with captured_output() as noise, no_uniform_biases(model):
        try:
            function = _traced(model)
            converter = _converter(function, quantization, images, port_type)
            return without_precision_changes(bytes(converter.convert()))
        except Exception as error:
            # The converter raises many types, all of them with pages of text.
            reason = _missing_operator(error, model)
            if reason is None:
                instead = ", or export float32" if quantization != "float32" else ""
                line = _first_line(error) or noise.last_line()
                reason = f"{line}; replace the layer it names{instead}"
            raise ExportError(
                f"the TFLite converter cannot convert {model.name!r} to "
                f"{quantization}: {reason}"
            ) from error


def _traced(model: keras.Model) -> Any:
    """Returns the model as a concrete function of one image."""
    # By way of a frozen function: the default way writes and reads a SavedModel, which
    # takes seconds, and the file is larger for the signature and the open batch size.
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    with _canonical_names(model), frozen_weights():
        return tf.function(
            lambda image: model(image, training=False),
            input_signature=[spec],
            autograph=False,
        ).get_concrete_function()


def _converter(
    function: Any, quantization: str, images: np.ndarray | None, port_type: str
) -> Any:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if quantization != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization in INTEGER:
        kind = "int16" if quantization == "int16x8" else port_type
        converter.inference_input_type = tf.as_dtype(kind)
        converter.inference_output_type = tf.as_dtype(kind)
    if images is not None:
        converter.representative_dataset = lambda: _one_by_one(images)
        converter.target_spec.supported_ops = [_INT16_ACTIVATIONS]
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
        for layer, name in zip(layers, names_in_file(layers), strict=True):
            layer._name = name
        yield
    finally:
        for layer, name in zip(layers, names, strict=True):
            layer._name = name


def names_in_file(layers: Sequence[keras.layers.Layer]) -> list[str]:
    """Returns the name of each layer in the file; Keras' automatic ones count anew."""
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
    stems = {to_snake_case(kind.__name__) for kind in kinds} | _KERAS_STEMS
    return stems | {f"quant_{stem}" for stem in stems} | {"model", "sequential"}


def _missing_operator(error: Exception, model: keras.Model) -> str | None:
    """Returns which operator of which layer the runtime lacks, if that is the error."""
    missing = re.search(r"'tf\.(\w+)' op is neither", str(error))
    if missing is None:
        return None
    layers = dict(zip(names_in_file(model.layers), model.layers, strict=True))
    found = [
        repr(layers[part].name)
        for op in _traced(model).graph.get_operations()
        for part in op.name.split("/")
        if op.type == missing[1] and part in layers
    ]
    where = f"layer {found[0]}" if found else "one of its layers"
    return (
        f"the runtime has no operator for {missing[1]}, in float neither, which "
        f"{where} computes; replace that layer"
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else ""
