"""Rebuilding a Functional model from its architecture, layer by layer."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading.model_file import ModelFile
from tfcompress.loading.parts import CustomObjects, Maker

# Values that layers make but do not store, such as the state of a random generator.
_UNSTORED_VALUES = 10_000


# A tensor: name of a layer, number of the call of it, number of the output of that.
_Reference = tuple[str, int, int]


class _Call(NamedTuple):
    layer: str
    tensors: list[_Reference]
    is_list: bool
    options: dict[str, Any]


def rebuild(file: ModelFile, custom_objects: CustomObjects) -> keras.Model:
    """Returns the tf_keras Functional model that `file` describes, with its weights.

    Raises:
      ModelError: a layer is refused, or architecture and weights disagree.
    """
    maker = Maker(custom_objects, file.keras_version.startswith("3"))
    arrays = dict(file.arrays)
    stored = sum(array.size for values in arrays.values() for array in values)
    with _at_most(stored + _UNSTORED_VALUES):
        model = _model(file.config, maker)
    groups: Iterable[tuple[str, keras.layers.Layer]]
    if file.legacy:
        groups = ((layer.name, layer) for layer in model.layers)
    else:
        groups = _groups(model, file.config["config"], "")
    for path, layer in groups:
        _set_weights(layer, path, arrays.pop(path, []), file.legacy)
    left = [path for path, values in arrays.items() if values]
    left = [path for path in left if not path.endswith("seed_generator")]
    if left:
        raise ModelError(f"it holds weights of {left[0]}, which the model has not")
    return model


def _model(entry: dict[str, Any], maker: Maker) -> keras.Model:
    kind, config = entry["class_name"], entry["config"]
    if kind == "Sequential":
        return _sequential(config, maker)
    if kind in ("Functional", "Model"):
        return _functional(config, maker)
    raise ModelError(
        f"its model is a {kind}; expected a Functional or Sequential model: rebuild "
        "it with keras.Model(inputs, outputs)"
    )


def _layer(entry: dict[str, Any], maker: Maker) -> keras.layers.Layer:
    nested = "layers" in entry["config"]
    return _model(entry, maker) if nested else maker.layer(entry)


def _sequential(config: dict[str, Any], maker: Maker) -> keras.Model:
    first = config["layers"][0]["config"]
    shape = first.get("batch_input_shape") or first.get("batch_shape")
    shape = shape or config.get("build_input_shape")
    if not shape:
        raise ModelError("its model has no input shape: build it before saving it")
    inputs = outputs = keras.Input(batch_shape=tuple(shape), name=f"{first['name']}_in")
    for entry in config["layers"]:
        layer = _layer(entry, maker)
        if isinstance(layer, keras.layers.InputLayer):
            inputs = outputs = layer.output
        else:
            outputs = layer(outputs)
    return keras.Model(inputs, outputs, name=config["name"])


def _functional(config: dict[str, Any], maker: Maker) -> keras.Model:
    layers: dict[str, keras.layers.Layer] = {}
    calls: list[_Call] = []
    for entry in config["layers"]:
        layer = _layer(entry, maker)
        if layer.name in layers:
            raise ModelError(f"two layers of its model are named {layer.name}")
        layers[layer.name] = layer
        calls += [_parse(layer.name, node, maker) for node in entry["inbound_nodes"]]
    ends = [_references(config[key]) for key in ("input_layers", "output_layers")]
    outputs = _Outputs([*chain(*(call.tensors for call in calls)), *chain(*ends)])
    for layer in layers.values():
        if isinstance(layer, keras.layers.InputLayer):
            outputs.add(layer.name, layer.output)
    _connect(layers, calls, outputs)
    tensors = [[outputs.get(*reference) for reference in end] for end in ends]
    single = [end[0] if len(end) == 1 else end for end in tensors]
    return keras.Model(*single, name=config["name"])


class _Outputs:
    """What the layers returned, call by call."""

    def __init__(self, references: list[_Reference]):
        # A nested model counts from 1: call 0 is its own making, absent from the file.
        self._first: dict[str, int] = {}
        for layer, call, _ in references:
            self._first[layer] = min(call, self._first.get(layer, call))
        self._calls: dict[str, list[list[Any]]] = {layer: [] for layer in self._first}

    def add(self, layer: str, result: Any) -> None:
        self._calls.setdefault(layer, []).append(tf.nest.flatten(result))

    def get(self, layer: str, call: int, output: int) -> Any:
        """Returns a tensor, or None if that call was not made yet."""
        made = self._calls[layer][call - self._first[layer] :]
        return made[0][output] if made else None


def _connect(
    layers: dict[str, keras.layers.Layer], calls: list[_Call], outputs: _Outputs
) -> None:
    """Makes all calls; the file lists them by layer, not in an order that works."""
    while calls:
        held: set[str] = set()
        later = []
        for call in calls:
            inputs = [outputs.get(*reference) for reference in call.tensors]
            if call.layer in held or any(tensor is None for tensor in inputs):
                held.add(call.layer)
                later.append(call)
                continue
            inputs = inputs if call.is_list else inputs[0]
            outputs.add(call.layer, layers[call.layer](inputs, **call.options))
        if len(later) == len(calls):
            raise ModelError(f"layer {later[0].layer} never gets its input")
        calls = later


def _parse(layer: str, node: Any, maker: Maker) -> _Call:
    if isinstance(node, dict):
        (argument,) = node["args"]
        is_list = isinstance(argument, list)
        parts = argument if is_list else [argument]
        tensors = [part["config"]["keras_history"] for part in parts]
        options = node["kwargs"]
    else:
        is_list = len(node) > 1
        tensors = [part[:3] for part in node]
        options = node[0][3] if len(node[0]) > 3 else {}
    if {key for key, value in options.items() if value is not None} - {"training"}:
        raise ModelError(f"layer {layer} is called with {sorted(options)}: rebuild it")
    # Keras 3 notes the mode at building time, and does not heed it later.
    keep = options.get("training") is not None and not maker.keras_3
    training = {"training": options["training"]} if keep else {}
    return _Call(layer, _references(tensors), is_list, training)


def _references(value: Any) -> list[_Reference]:
    references = [value] if isinstance(value[0], str) else value
    return [(name, call, output) for name, call, output in references]


def _groups(
    model: keras.Model, config: dict[str, Any], prefix: str
) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yields every layer with the path of its weights in a `.keras` file."""
    used: Counter[str] = Counter()
    for entry in config["layers"]:
        stem = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", entry["class_name"])
        stem = re.sub("([a-z])([A-Z])", r"\1_\2", stem).lower()
        path = f"{prefix}layers/{stem}" + (f"_{used[stem]}" if used[stem] else "")
        used[stem] += 1
        layer = model.get_layer(entry["config"]["name"])
        if "layers" in entry["config"]:
            yield from _groups(layer, entry["config"], f"{path}/")
            continue
        yield path, layer
        if isinstance(layer, keras.layers.Wrapper):
            yield f"{path}/layer", layer.layer


def _set_weights(
    layer: keras.layers.Layer, path: str, arrays: list[np.ndarray], legacy: bool
) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ModelError(f"the weights of {layer.name} hold NaN or infinity")
    if not legacy:
        layer.load_own_variables({str(i): array for i, array in enumerate(arrays)})
        return
    weights = layer.trainable_weights + layer.non_trainable_weights
    if [tuple(w.shape) for w in weights] != [array.shape for array in arrays]:
        raise ModelError(f"the weights at {path} do not have the shapes of the layer")
    for weight, array in zip(weights, arrays, strict=True):
        weight.assign(array)


@contextmanager
def _at_most(num_values: int) -> Iterator[None]:
    """Refuses a variable that brings the sum over `num_values`, before it is made."""
    total = 0

    def create(next_creator: Any, **kwargs: Any) -> tf.Variable:
        nonlocal total
        total += math.prod(kwargs["shape"] or ())
        if total > num_values:
            raise ModelError("its layers declare more weights than it stores")
        return next_creator(**kwargs)

    with tf.variable_creator_scope(create):
        yield
