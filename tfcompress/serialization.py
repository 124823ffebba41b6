"""Frozen dataclasses as JSON values and back, by an allow-list of their classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from tfcompress.errors import InvalidArgumentError, RecipeError


def encode(value: Any, *, defaults: bool = True) -> Any:
    """Returns JSON values, in which a dataclass is an object with its `type`.

    Args:
      value: dataclasses, mappings, sequences, numbers and texts.
      defaults: whether fields that have their default value are written.

    Raises:
      RecipeError: something in `value` has no JSON form, such as a live model.
    """
    if is_dataclass(value):
        values = {
            field.name: encode(getattr(value, field.name), defaults=defaults)
            for field in fields(value)
            if defaults or getattr(value, field.name) != _default(field)
        }
        return {"type": type(value).__name__, **values}
    if isinstance(value, Mapping):
        return {str(k): encode(item, defaults=defaults) for k, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item, defaults=defaults) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise RecipeError(
        f"a recipe holds {type(value).__name__}, which has no JSON form; use numbers, "
        "texts, tuples, mappings and the parts of tfcompress"
    )


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


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
