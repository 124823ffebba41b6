"""The model that a file holds as its own Keras makes it, to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras.src.applications import convnext, inception_resnet_v2

from tfcompress.loading.architecture import symbol_of
from tfcompress.loading.build import at_most
from tfcompress.loading.custom_objects import (
    CustomObjects,
    trusted_class,
    trusted_function,
)
from tfcompress.loading.hosting import Stored, hosted
from tfcompress.loading.listed import (
    ACTIVATIONS,
    KERAS_3_ACTIVATIONS,
    OUR_LAYERS,
    module_of,
)
from tfcompress.loading.model_file import ModelFile
from tfcompress.loading.operations.known import KERAS_3, TENSORFLOW
from tfcompress.loading.weights import PathStore

_PLAIN = ("__keras_tensor__", "__slice__", "__ellipsis__")
_NUMBERS = ("float32", "float64", "float16", "int32", "int64", "uint8", "bool")
# Layers that tf_keras finds by no name in a file.
_APPLICATION_LAYERS = {
    "CustomScaleLayer": inception_resnet_v2.CustomScaleLayer,
    "LayerScale": convnext.LayerScale,
    "StochasticDepth": convnext.StochasticDepth,
}
# Modules that only the right Keras is asked for, whatever the file says.
_MODULES = {
    ("Functional", True): "keras.src.models.functional",
    ("Functional", False): "tf_keras.src.engine.functional",
    ("Sequential", True): "keras",
    ("Sequential", False): "keras",
    ("TFOpLambda", False): "tf_keras.src.layers.core.tf_op_layer",
    ("SlicingOpLambda", False): "tf_keras.src.layers.core.tf_op_layer",
    ("CustomScaleLayer", True): "keras.src.applications.inception_resnet_v2",
    ("CustomScaleLayer", False): "tf_keras.src.applications.inception_resnet_v2",
    ("LayerScale", True): "keras.src.applications.convnext",
    ("LayerScale", False): "tf_keras.src.applications.convnext",
    ("StochasticDepth", True): "keras.src.applications.convnext",
    ("StochasticDepth", False): "tf_keras.src.applications.convnext",
}


class _UnknownPartError(Exception):
    """The architecture names something of which the original cannot be made."""


def original_of(file: ModelFile, path: Path, custom_objects: CustomObjects) -> Any:
    """Returns the model of a file, made by the `from_config` of its Keras.

    Args:
      file: whose architecture was accepted, part by part, before.
      path: of the file.
      custom_objects: what the caller trusts.

    Returns:
      The model with its weights, or None where it cannot be made, or not without
      running what is not on the list.
    """
    try:
        cleaner = _Cleaner(file.keras_3, custom_objects)
        config = cleaner.clean(file.config)
        # What nested models declare of themselves was not heeded so far.
        with at_most(file.num_values):
            if file.keras_3:
                model = _of_keras_3(config, file, cleaner.trusted)
            else:
                model = _of_tf_keras(config, file, path, cleaner.trusted)
        for layer in model._flatten_layers():
            # A Normalization computes with what it derives from its weights.
            if hasattr(layer, "finalize_state"):
                layer.finalize_state()
        return model
    # Keras cannot read all that it writes: a legacy file with an operation, say.
    except Exception:
        return None


def _of_tf_keras(
    config: dict[str, Any], file: ModelFile, path: Path, trusted: CustomObjects
) -> keras.Model:
    from tf_keras.src.saving import saving_lib

    kind = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
    known = _APPLICATION_LAYERS | OUR_LAYERS | dict(trusted)
    with keras.saving.custom_object_scope(known):
        model = kind.from_config(config["config"])
    if file.by_path is not None:
        store = PathStore(file.by_path)
        saving_lib._load_state(model, store, None, "", False, set())
    elif file.by_name is not None:
        _set_by_name(model, file.by_name)
    else:
        checkpoint = tf.train.Checkpoint(model)
        checkpoint.read(str(path / "variables/variables")).expect_partial()
    return model


def _of_keras_3(config: dict[str, Any], file: ModelFile, trusted: CustomObjects) -> Any:
    import keras as keras_3
    from keras.src.models.functional import Functional
    from keras.src.saving import saving_lib

    kind = keras_3.Sequential if config["class_name"] == "Sequential" else Functional
    known = {name: _of_both(part, name) for name, part in trusted.items()}
    with keras_3.saving.custom_object_scope(known):
        model = kind.from_config(config["config"])
    if file.by_path is None:
        _set_by_name(model, file.by_name or {})
        return model
    store = PathStore(file.by_path)

    # Keras insists on the class, of which nothing but these is used.
    class Store(saving_lib.H5IOStore):
        def __init__(self) -> None:
            pass

        def __bool__(self) -> bool:
            return True

        def get(self, path: str) -> Any:
            return Stored(store, path)

        def has_path(self, path: str) -> bool:
            return any(key.startswith(path) for key in store)

    saving_lib._load_state(model, Store(), None, "", visited_saveables=set())
    return model


def _of_both(part: Any, name: str) -> Any:
    """Returns what the caller trusts in a form that Keras 3 takes."""
    is_layer = isinstance(part, type) and issubclass(part, keras.layers.Layer)
    return hosted(part, name.rpartition(">")[2]) if is_layer else part


def _set_by_name(model: Any, arrays: dict[str, list[np.ndarray]]) -> None:
    for layer in model.layers:
        variables = layer.trainable_weights + layer.non_trainable_weights
        for variable, array in zip(variables, arrays.get(layer.name, ()), strict=True):
            variable.assign(array)


class _Cleaner:
    """Copies an architecture, with nothing but what is on the list in it, or trusted.

    Attributes:
      trusted: what of the caller's is in it, by the name that the copy has for it.
    """

    def __init__(self, keras_3: bool, custom_objects: CustomObjects):
        self._keras_3 = keras_3
        self._custom_objects = custom_objects
        self.trusted = dict(custom_objects)

    def clean(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        if not isinstance(value, dict):
            return value
        kind = value.get("class_name")
        if kind is None:
            return {key: self.clean(item) for key, item in value.items()}
        if kind in _PLAIN:
            rest = {k: self.clean(v) for k, v in value.items() if k != "class_name"}
            return {"class_name": kind} | rest
        if kind in ("__tuple__", "TensorShape"):
            return [self.clean(item) for item in value.get("items") or []]
        if kind in ("__numpy__", "__tensor__"):
            return self._array(value)
        if kind == "function":
            return self._function(value["config"])
        if kind in ("DTypePolicy", "Policy"):
            return str(value["config"]["name"])
        return self._part(kind, value)

    def _function(self, name: str) -> Any:
        function = trusted_function(name, self._custom_objects)
        if function is not None:
            self.trusted[name] = function
            plain = {"class_name": "function", "config": name}
            return plain | {"module": None, "registered_name": name}
        if name not in ACTIVATIONS | KERAS_3_ACTIVATIONS.keys():
            raise _UnknownPartError
        return name

    def _array(self, value: dict[str, Any]) -> dict[str, Any]:
        config = value["config"]
        if config.get("dtype") not in _NUMBERS:
            raise _UnknownPartError
        plain = {"value": config["value"], "dtype": config["dtype"]}
        return {"class_name": value["class_name"], "config": plain}

    def _part(self, kind: Any, value: dict[str, Any]) -> dict[str, Any]:
        kind = "Functional" if kind == "Model" else kind
        part, registered = trusted_class(value, self._custom_objects), None
        if part is not None:
            # Found among what is trusted, and nowhere else.
            module, registered = None, value.get("registered_name") or kind
            self.trusted[registered] = part
            config = self._with_plain_dtype(value["config"])
            if isinstance(value.get("name"), str):
                # A user's class may leave it out of its config.
                config = {"name": value["name"]} | config
        else:
            module = self._module(kind, value)
            config = self.clean(value["config"])
        clean = {"class_name": kind, "config": config}
        is_new = value.get("module") is not None or value.get("registered_name")
        if self._keras_3 or is_new:
            clean |= {"module": module, "registered_name": registered}
        for key in ("name", "inbound_nodes"):
            if key in value:
                clean[key] = self.clean(value[key])
        return clean

    def _module(self, kind: Any, value: dict[str, Any]) -> str:
        symbol = symbol_of(value, self._keras_3)
        if symbol and not _is_known(symbol):
            raise _UnknownPartError
        module = str(value.get("module"))
        if symbol.startswith("keras."):
            module = symbol.rpartition(".")[0]
        else:
            module = _MODULES.get((kind, self._keras_3)) or module_of(kind, module)
        if not module:
            raise _UnknownPartError
        return module

    def _with_plain_dtype(self, config: dict[str, Any]) -> dict[str, Any]:
        return config | {k: self.clean(v) for k, v in config.items() if k == "dtype"}


def _is_known(symbol: str) -> bool:
    if symbol.startswith("keras."):
        return symbol.removeprefix("keras.src.ops.") in KERAS_3
    return symbol.removeprefix("tf.") in TENSORFLOW
