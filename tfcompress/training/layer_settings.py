"""The layers of a model and their settings, by which one is told from another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tf_keras as keras


def layer_settings(model: keras.Model) -> str:
    """Returns the layers of a model and their settings, whatever they are called.

    Names that Keras makes up have another number each time.
    """
    try:
        text = json.dumps(
            model.get_config(), default=lambda value: type(value).__name__
        )
    except NotImplementedError:
        # A layer of the user's own does not tell its settings.
        return repr([type(layer).__name__ for layer in model.layers])
    places: dict[str, str] = {}
    for layer in model._flatten_layers():
        places.setdefault(layer.name, str(len(places)))
    return json.dumps(_placed(json.loads(text), places))


def _placed(value: Any, places: Mapping[str, str]) -> Any:
    """Returns a configuration with places for names, where a name stands for a layer.

    That is by the key `name`, by `group` of a range, and at the head of what inputs and
    outputs refer to: [name, node, tensor]. Any other text is a setting, whatever layer
    is called so.
    """
    if isinstance(value, dict):
        return {
            key: places.get(each, each)
            if key in ("name", "group") and isinstance(each, str)
            else _placed(each, places)
            for key, each in value.items()
        }
    if not isinstance(value, list):
        return value
    if [type(each) for each in value[:3]] == [str, int, int]:
        return [places.get(value[0], value[0]), *_placed(value[1:], places)]
    return [_placed(each, places) for each in value]
