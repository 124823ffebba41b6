"""Names for the layers of a flat model that is made of nested ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tfcompress.errors import ModelError
from tfcompress.naming import snake_case
from tfcompress.rewriting.change import Change

_MAX_LENGTH = 200
_MAX_DEPTH = 50


def entries_of(config: Any) -> list[dict[str, Any]]:
    """Returns the entries of the layers in the config of a model.

    Raises:
      ModelError: there are none, or they are no entries of layers.
    """
    # Keras before 2.3 wrote a Sequential as a bare list.
    entries = config if isinstance(config, list) else config.get("layers")
    if not entries or not isinstance(entries, list):
        raise ModelError("its model has no layers; save a model that has")
    for entry in entries:
        known = isinstance(entry, dict) and isinstance(entry.get("class_name"), str)
        if not known or not isinstance(entry.get("config"), (dict, list)):
            raise ModelError("its architecture is damaged; save the model again")
        package, _, name = entry["class_name"].rpartition(">")
        if package:
            # A legacy file tells in one what others tell in two.
            entry.update(class_name=name, registered_name=entry["class_name"])
    _name_the_nameless(entries)
    return entries


def _name_the_nameless(entries: list[dict[str, Any]]) -> None:
    """Gives a name, as Keras does, to a user's layer whose config has none."""
    places = [entry for entry in entries if isinstance(entry["config"], dict)]
    taken = {str(place.get("name")) for e in places for place in (e, e["config"])}
    for entry in places:
        is_users = isinstance(entry.get("registered_name"), str)
        if not is_users or entry["config"].get("name") or entry.get("name"):
            continue
        base = snake_case(entry["class_name"])
        name, number = base, 0
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        entry["config"]["name"] = name


def is_model(entry: dict[str, Any]) -> bool:
    """Returns whether the entry of a layer is that of a nested model."""
    return isinstance(entry["config"], list) or "layers" in entry["config"]


def name_of(entry: dict[str, Any]) -> str:
    """Returns the name that an entry gives its layer.

    Raises:
      ModelError: it gives none.
    """
    config = entry["config"]
    name = config.get("name") if isinstance(config, dict) else entry.get("name")
    name = name or entry.get("name")
    if isinstance(config, list) and name is None:
        return "sequential"
    if not isinstance(name, str) or not name:
        raise ModelError(
            f"a {entry['class_name']} in it has no name; save it as .keras, or load "
            "the live model"
        )
    return name


def safe_name(name: str) -> str:
    """Returns `name` with `_` for what TensorFlow does not take in a name.

    Example:
      >>> safe_name("conv [1]")
      'conv__1_'
    """
    # A scope may hold a backslash or end with a >; a node of a function may not.
    unfit = r"[^A-Za-z0-9_./>-]|>(?![A-Za-z0-9.])"
    name = re.sub(unfit, "_", name[:_MAX_LENGTH])
    return name if re.match("[A-Za-z0-9.]", name) else f"layer{name}"


def assign_names(config: Any) -> tuple[dict[int, str], list[Change]]:
    """Returns a name for every layer of a model, nested ones too, each only once.

    A layer keeps its own name if no other has it; of several, the one that is nested
    least keeps it, and the others are named after the models they are in.

    Args:
      config: of the outermost model.

    Returns:
      Names by `id` of the entry of the layer, and what could not be kept.
    """
    names: dict[int, str] = {}
    changes = []
    taken: set[str] = set()
    for entry, parent in _outermost_first(config):
        if entry["class_name"] == "InputLayer" and parent:
            continue
        own = name_of(entry)
        base = safe_name(own)
        if base in taken and parent:
            base = safe_name(f"{parent}_{own}")
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        names[id(entry)] = name
        if name != own:
            changes.append(Change(own, f"renamed to {name}"))
    return names, changes


def _outermost_first(config: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yields the entries of all layers, each with the names of the models it is in."""
    level: list[tuple[Any, str]] = [(config, "")]
    for _ in range(_MAX_DEPTH):
        nested = []
        for model, parent in level:
            for entry in entries_of(model):
                if is_model(entry):
                    path = f"{parent}_{name_of(entry)}" if parent else name_of(entry)
                    nested.append((entry["config"], path))
                else:
                    yield entry, parent
        level = nested
    if level:
        raise ModelError("its models are nested too deep; do not trust it")
