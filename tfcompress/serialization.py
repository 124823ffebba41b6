"""Frozen dataclasses as JSON values and back, by an allow-list of their classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from tfcompress.errors import InvalidArgumentError, RecipeError


def encode(value: Any) -> Any:
    """Returns JSON values, in which a dataclass is an object with its `type`.

    Raises:
      RecipeError: something in `value` has no JSON form, such as a live model.
    """
    if is_dataclass(value):
        values = {f.name: encode(getattr(value, f.name)) for f in fields(value)}
        return {"type": type(value).__name__, **values}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise RecipeError(
        f"a recipe holds {type(value).__name__}, which has no JSON form; use numbers, "
        "texts, tuples, mappings and the parts of tfcompress"
    )


def decode(value: Any, parts: Mapping[str, Callable[..., Any]]) -> Any:
    """Returns what `encode` was given, lists as tuples.

    Args:
      value: JSON values.
      parts: the classes that may be made, by name.

    Raises:
      RecipeError: an unknown type or field, or a value that its class refuses.
    """
    if isinstance(value, list):
        return tuple(decode(item, parts) for item in value)
    if not isinstance(value, Mapping):
        return value
    values = {key: decode(item, parts) for key, item in value.items() if key != "type"}
    if "type" not in value:
        return values
    if value["type"] not in parts:
        raise RecipeError(f"unknown recipe part {value['type']!r} in the JSON")
    try:
        return parts[value["type"]](**values)
    except (TypeError, InvalidArgumentError) as error:
        raise RecipeError(f"{value['type']} in the JSON: {error}") from error
