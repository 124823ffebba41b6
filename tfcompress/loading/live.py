"""Models that are in memory: of tf_keras, of Keras 3."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)

from tfcompress.errors import ModelError
from tfcompress.field_types import describe_value
from tfcompress.loading.custom_objects import CustomObjects
from tfcompress.loading.listed import listed_class
from tfcompress.loading.names import safe_name
from tfcompress.loading.parts import refusal
from tfcompress.rewriting.float32 import is_float32
from tfcompress.rewriting.keras_errors import first_line

_LIBRARIES = ("keras", "tf_keras")
# Layers that are none after loading.
_REPLACED = (
    *("TFOpLambda", "SlicingOpLambda", "CustomScaleLayer"),
    "MultiHeadAttention",
)
_QUANTIZERS = (quantize_layer.QuantizeLayer, quantize_wrapper.QuantizeWrapper)


def is_quantized(layers: Any) -> bool:
    """Returns whether TF-MOT's quantizers are among some layers."""
    return any(isinstance(layer, _QUANTIZERS) for layer in layers)


def check_live(model: Any) -> None:
    """Refuses what has no architecture to read.

    Raises:
      ModelError: it is no Keras model, is subclassed, or not built.
    """
    kind = type(model)
    if not any(_library(base) and base.__name__ == "Model" for base in kind.__mro__):
        raise ModelError(
            f"{describe_value(model)} was given; expected a Keras model, or the path "
            "of a .keras or .h5 file or of a SavedModel folder"
        )
    if not _library(kind) or kind.__name__ not in ("Functional", "Sequential"):
        raise ModelError(
            f"{model.name} is a {kind.__name__}, a subclassed model, of which no "
            "layers are known; rebuild it: keras.Model(inputs, model.call(inputs))"
        )
    if not model.built:
        raise ModelError(
            f"the {kind.__name__} {model.name} is not built; give it an input first: "
            "model.build((None, height, width, channels))"
        )


def config_of(model: Any) -> dict[str, Any]:
    """Returns the architecture of a live model as a file would hold it.

    Raises:
      ModelError: a layer cannot tell its settings.
    """
    try:
        architecture = dict(json.loads(model.to_json()))
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ModelError(
            f"{first_line(error)}; a layer of your own needs a get_config that returns "
            "all arguments of its constructor"
        ) from error
    _keep_names(architecture["config"], model)
    return architecture


def _keep_names(config: Any, model: Any) -> None:
    """Writes names of layers into a config where a user's class left them out."""
    entries = [e for e in config["layers"] if e["class_name"] != "InputLayer"]
    layers = [x for x in model.layers if type(x).__name__ != "InputLayer"]
    if type(model).__name__ != "Sequential":
        # Entries of a Functional have names; constants of it have entries only.
        named = {layer.name: layer for layer in layers}
        entries = [entry for entry in entries if entry.get("name") in named]
        layers = [named[entry["name"]] for entry in entries]
    for entry, layer in zip(entries, layers, strict=True):
        entry["config"].setdefault("name", layer.name)
        if hasattr(layer, "layers") and "layers" in entry["config"]:
            _keep_names(entry["config"], layer)


def own_parts(model: Any, given: CustomObjects) -> dict[str, Any]:
    """Returns classes and activations of a live tf_keras model that are not Keras'.

    Args:
      model: whoever made it trusts what it is made of.
      given: more of them, which come first.
    """
    found: dict[str, Any] = {}
    for layer in flat_layers(model):
        parts: list[Any] = [type(layer)]
        if inspect.isfunction(getattr(layer, "activation", None)):
            parts.append(layer.activation)
        for part in parts:
            if not _library(part) and not _listed(part):
                found[part.__name__] = part
    return found | dict(given)


def flat_layers(model: Any) -> Iterator[Any]:
    """Yields all layers of a model, those of nested models in their place."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from flat_layers(layer)
        else:
            yield layer


def is_flat(model: keras.Model, given: CustomObjects) -> bool:
    """Returns whether a live tf_keras model is made of plain layers alone.

    Raises:
      ModelError: it holds a layer that cannot be made plain.
    """
    flat = type(model).__name__ == "Functional" and not _is_odd(model)
    for layer in model.layers:
        kind = type(layer)
        if kind.__name__.startswith("PruneLowMagnitude"):
            raise ModelError(
                f"layer {layer.name} is wrapped for pruning; take the wrapper off: "
                "tfmot.sparsity.keras.strip_pruning(model)"
            )
        nested = isinstance(layer, keras.Model)
        raw = _library(kind) and kind.__name__ in _REPLACED
        flat = flat and not nested and not raw and not _has_odd_settings(layer)
        known = nested or raw or kind.__name__ in given or _listed(kind)
        if not known and _library(kind):
            raise refusal(layer.name, kind.__name__)
    return flat


def _is_odd(model: keras.Model) -> bool:
    """Returns whether its name, inputs or outputs are not a canonical model's."""
    if safe_name(model.name) != model.name:
        return True
    named = [model._nested_inputs, model._nested_outputs]
    if any(isinstance(ends, dict) for ends in named):
        return True
    return any(tensor.shape[0] is not None for tensor in model.inputs)


def _has_odd_settings(layer: keras.layers.Layer) -> bool:
    """Returns whether a plain layer is made otherwise when it is read anew."""
    adapted = isinstance(layer, keras.layers.Normalization) and layer.weights
    first = getattr(layer, "data_format", None) == "channels_first"
    renamed = safe_name(layer.name) != layer.name
    fails = type(layer).__name__ == "StochasticDepth"
    return bool(adapted or first or renamed or fails or not is_float32(layer))


def _library(part: Any) -> bool:
    return part.__module__.partition(".")[0] in _LIBRARIES


def _listed(part: Any) -> bool:
    return listed_class(part.__module__, part.__name__, None) is part
