"""Making layers from what a file says, by the list of what it may say.

A file says which class to call and with what. Here nothing but the constructor of a
listed class is ever called, with plain values and other listed parts: no module is
imported, no function is looked up by a name from a file.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading.custom_objects import (
    CustomObjects,
    make_trusted,
    trusted_class,
    trusted_function,
)
from tfcompress.loading.listed import ACTIVATIONS, KERAS_3_ACTIVATIONS, listed_class
from tfcompress.loading.names import name_of
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.keras_errors import first_line

_RENAMED = {"negative_slope": "alpha"}
# Options of old that were off whenever the class is on the list, and shapes that the
# model tells as well.
_MOOT = {
    *("renorm_momentum", "batch_shape", "batch_input_shape"),
    *("query_shape", "key_shape", "value_shape"),
}


@dataclass(frozen=True)
class Maker:
    """Makes layers and their parts from what a file says about them.

    Args:
      custom_objects: classes and functions by name, which the caller trusts.
      keras_3: whether Keras 3 wrote the file.
      changes: what of a layer was not taken as the file has it; is added to.
    """

    custom_objects: CustomObjects
    keras_3: bool
    changes: list[Change] = field(default_factory=list)

    def layer(self, entry: dict[str, Any], name: str) -> list[keras.layers.Layer]:
        """Makes what the entry of a layer in an architecture stands for.

        Args:
          entry: as in the file.
          name: for the layer, in place of the one that the file gives it.

        Returns:
          The layer and, where Keras 3 has an activation that tf_keras lacks, a second
          one that computes it.

        Raises:
          ModelError: the entry names something that is not listed.
        """
        own = name_of(entry)
        activation = entry["config"].get("activation")
        if isinstance(activation, dict) and activation.get("class_name") == "function":
            activation = activation.get("config")
        known = isinstance(activation, str) and activation not in self.custom_objects
        if not (self.keras_3 and known and activation in KERAS_3_ACTIVATIONS):
            return [self._layer(entry, own, name)]
        kind = KERAS_3_ACTIVATIONS[str(activation)]
        if entry["class_name"] == "Activation":
            return [kind(name=name)]
        linear = entry | {"config": entry["config"] | {"activation": "linear"}}
        text = f"rewritten to a linear layer and {kind.__name__}"
        self.changes.append(Change(name, text))
        layer = self._layer(linear, own, name)
        return [layer, kind(name=f"{name}_activation")]

    def _layer(self, entry: dict[str, Any], own: str, name: str) -> keras.layers.Layer:
        part = self._make(entry, own, name)
        if not isinstance(part, keras.layers.Layer):
            raise ModelError(
                f"layer {own} is a {type(part).__name__}, not a layer of tf_keras; "
                "derive its class from tf_keras.layers.Layer"
            )
        if type(part).__name__ == "StochasticDepth":
            # tf_keras' own fails in training; it is a Dropout of whole images.
            self.changes.append(Change(name, "rewritten to Dropout"))
            shape = (None, 1, 1, 1)
            return keras.layers.Dropout(part.drop_path_rate, shape, name=name)
        return part

    def _decode(self, key: str, value: Any, layer: str) -> Any:
        if key == "dtype":
            return self._dtype(value, layer)
        if isinstance(value, dict):
            if value.get("class_name") in ("__tuple__", "TensorShape"):
                return tuple(self._decode(key, item, layer) for item in value["items"])
            if value.get("class_name") in ("__numpy__", "__tensor__"):
                return value["config"]["value"]
            if "class_name" not in value or not isinstance(
                value.get("config"), dict | str
            ):
                raise refusal(layer, f"a dictionary for {key}")
            part = self._make(value, layer)
            if isinstance(part, keras.layers.Layer) and "build_config" in value:
                with tf.name_scope(part.name):
                    part.build(_shape(value["build_config"]["input_shape"]))
            return part
        if isinstance(value, list):
            values = [self._decode(key, item, layer) for item in value]
            return _shape(values) if key.endswith("shape") else values
        if isinstance(value, str) and key.endswith("activation"):
            return self._activation(value, layer)
        if value == "channels_first":
            raise ModelError(
                f"layer {layer} has its channels first, which neither TFLite nor a CPU "
                "computes; rebuild the model with data_format='channels_last'"
            )
        return value

    def _dtype(self, value: Any, layer: str) -> Any:
        if isinstance(value, dict):
            value = value.get("config")
            value = value.get("name") if isinstance(value, dict) else value
        if value is None:
            return value
        if not isinstance(value, str):
            raise refusal(layer, "an unknown dtype")
        if "float" in value and value != "float32":
            self.changes.append(Change(layer, f"made float32, from {value}"[:60]))
            return "float32"
        return value

    def _activation(self, name: Any, layer: str) -> Any:
        if isinstance(name, str):
            trusted = trusted_function(name, self.custom_objects, layer)
            if trusted is not None:
                return trusted
            changed = self.keras_3 and name in KERAS_3_ACTIVATIONS
            if name in ACTIVATIONS and not changed:
                return name
        raise refusal(layer, f"the activation {name}")

    def _make(self, entry: dict[str, Any], layer: str, name: str | None = None) -> Any:
        kind, config = entry["class_name"], entry["config"]
        if kind == "function":
            return self._activation(config, layer)
        if (trusted := trusted_class(entry, self.custom_objects, layer)) is not None:
            own = config | ({"name": name} if name else {})
            if "dtype" in own:
                own["dtype"] = self._dtype(own["dtype"], layer)
            return make_trusted(trusted, own, layer)
        if kind == "QuantizeAwareActivation":
            # The wrapper around the layer puts its own in this place again.
            return self._decode("activation", config["activation"], layer)
        names = entry.get("module"), kind, entry.get("registered_name")
        part = listed_class(*names) if isinstance(kind, str) else None
        if part is None:
            raise refusal(layer, str(kind))
        if kind == "InputLayer":
            return self._input(config, name or layer)
        if kind.startswith("QuantizeWrapper"):
            config = config | {"layer": _as_wrapped(config)}
        arguments = {
            key: self._decode(key, value, layer) for key, value in config.items()
        }
        if name:
            arguments["name"] = name
        return self._construct(part, kind, arguments, layer)

    def _input(self, config: dict[str, Any], name: str) -> keras.layers.Layer:
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if isinstance(shape, dict):
            shape = shape.get("items") or shape.get("config")
        sizes = shape[1:] if isinstance(shape, list) else None
        if sizes is None or not all(size is None or _is_size(size) for size in sizes):
            raise ModelError(
                f"input {name} has no sound shape; build the model, save it"
            )
        if config.get("sparse") or config.get("ragged"):
            raise ModelError(f"input {name} is sparse or ragged; expected a dense one")
        dtype = self._dtype(config.get("dtype") or "float32", name)
        # A model for one size of batch could not be trained with another.
        return keras.layers.InputLayer(
            batch_input_shape=(None, *sizes), dtype=dtype, name=name
        )

    def _construct(
        self, part: type, kind: str, arguments: dict[str, Any], layer: str
    ) -> Any:
        accepted = _accepted(part)
        for old, new in _RENAMED.items():
            if old in arguments and old not in accepted and new in accepted:
                arguments[new] = arguments.pop(old)
        extra = {key: arguments.pop(key) for key in arguments.keys() - accepted}
        defaults = _keras_3_defaults(kind) if self.keras_3 else {}
        for key, value in extra.items():
            moot = key in _MOOT or value in (defaults.get(key), "channels_last")
            if value and not moot:
                what = f"{kind} with {key}={value!r}"
                raise ModelError(f"layer {layer} is a {what}, which tf_keras has not")
        try:
            return part(**arguments)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"layer {layer} cannot be made: {first_line(error)}; correct the model"
            ) from error


@functools.cache
def _accepted(part: type) -> frozenset[str]:
    """Returns the names of all arguments that a constructor takes."""
    names = {"name", "dtype", "trainable", "autocast"}
    for base in part.__mro__:
        constructor: Any = vars(base).get("__init__", object)
        names |= inspect.signature(constructor).parameters.keys()
    return frozenset(names - {"self", "args", "kwargs"})


@functools.cache
def _keras_3_defaults(name: str) -> dict[str, Any]:
    """Returns values of options that only Keras 3 has, and that change nothing."""
    import keras as keras_3

    found = getattr(keras_3.layers, name, None)
    options = inspect.signature(found).parameters.values() if found else ()
    # As JSON has them.
    return {
        o.name: list(o.default) if isinstance(o.default, tuple) else o.default
        for o in options
    }


def refusal(layer: str, what: str) -> ModelError:
    """Returns the error for a layer that names what is not listed."""
    return ModelError(
        f"layer {layer} uses {what}, which is not on the list of parts that run no "
        "code of the file; replace the layer, or, if you trust the file, give "
        "load_model(path, custom_objects={name: class or function}) in Python, or "
        "--allow_unsafe on the command line"
    )


def _as_wrapped(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the entry of a wrapped layer, to be built as it was when wrapped."""
    layer, how = config["layer"], config["quantize_config"]
    # TF-MOT's wrapper lists its weights otherwise around a layer that is built: its
    # own quantize_apply wraps such ones, `tfcompress.quantization` others.
    if how["class_name"] == "LayerQuantizeConfig":
        return {key: value for key, value in layer.items() if key != "build_config"}
    return dict(layer)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and value > 0


def _shape(value: Any) -> Any:
    nested = value and isinstance(value[0], (list, tuple))
    return [tuple(shape) for shape in value] if nested else tuple(value)
