"""Classes and functions that a caller trusts and a model file names."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Mapping
from typing import Any

import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.rewriting.keras_errors import first_line

CustomObjects = Mapping[str, Any]


def check_custom_objects(given: Any) -> CustomObjects:
    """Returns what a caller gave, nothing for None.

    Raises:
      ModelError: it is no mapping from names to classes and functions.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ModelError(
            f"custom_objects is {reprlib.repr(given)}; expected a mapping from names "
            'to layer classes and functions, such as {"Mine": Mine}'
        )
    for name, part in given.items():
        is_instance = isinstance(part, keras.layers.Layer)
        if not isinstance(name, str) or not callable(part) or is_instance:
            mend = f": give {type(part).__name__} itself" if is_instance else ""
            raise ModelError(
                f"custom_objects has {reprlib.repr(part)} for {name!r}; expected a "
                f"layer class or a function for the name of one{mend}"
            )
    return given


def trusted_class(
    entry: Mapping[str, Any], custom_objects: CustomObjects, layer: str = "?"
) -> Any:
    """Returns the class of an entry of an architecture if it is given or registered.

    Args:
      entry: as in a file.
      custom_objects: what is given.
      layer: that the entry is, or is a part of.

    Raises:
      ModelError: what is given for it is no class.
    """
    registered, kind = entry.get("registered_name"), entry["class_name"]
    names = [name for name in (registered, kind) if isinstance(name, str)]
    for name in names:
        if name in custom_objects:
            part = custom_objects[name]
            if not isinstance(part, type):
                raise ModelError(
                    f"layer {layer} names the class {kind}, and custom_objects "
                    f"has {reprlib.repr(part)} for it; give the class"
                )
            return part
    for name in names:
        found = keras.saving.get_registered_object(name)
        is_layer = isinstance(found, type) and issubclass(found, keras.layers.Layer)
        if is_layer and not name.startswith("tfcompress>"):
            return found
    return None


def trusted_function(name: str, custom_objects: CustomObjects, layer: str = "?") -> Any:
    """Returns the function of a name if it is given or registered.

    Args:
      name: of the function.
      custom_objects: what is given.
      layer: that names it.

    Raises:
      ModelError: what is given for it is a class.
    """
    for key in (name, name.rpartition(">")[2]):
        if key in custom_objects:
            part = custom_objects[key]
            if isinstance(part, type):
                raise ModelError(
                    f"layer {layer} names the function {name}, and custom_objects has "
                    f"the class {part.__name__} for it; give the function"
                )
            return part
    found = keras.saving.get_registered_object(name) if ">" in name else None
    return found if inspect.isfunction(found) else None


def make_trusted(part: Any, config: Mapping[str, Any], layer: str) -> Any:
    """Returns what a trusted class makes of its settings.

    Args:
      part: the class.
      config: its settings.
      layer: that it is, or is a part of.

    Raises:
      ModelError: the class does not take them.
    """
    try:
        return part.from_config(dict(config))
    except Exception as error:
        raise ModelError(
            f"layer {layer} cannot be made of the class {part.__name__}: "
            f"{first_line(error)}; its constructor has to take {', '.join(config)}"
        ) from error
