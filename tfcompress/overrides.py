"""Replacing one field of nested frozen dataclasses, named by a dotted path."""

from __future__ import annotations

import ast
import dataclasses
import typing
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from tfcompress.errors import InvalidArgumentError, RecipeError
from tfcompress.field_types import accepts, alternatives, describe
from tfcompress.naming import snake_case


def replace_at(root: Any, path: str, value: Any) -> Any:
    """Returns `root` with the value at a dotted path replaced; `root` is not changed.

    Dataclass fields and mapping keys are named; items of a tuple are named by position
    or by the snake-case name of their class where only one item has it. A text is
    read as a Python literal where the field is not itself a text.

    Args:
      root: a frozen dataclass of dataclasses, tuples and mappings.
      path: such as `stages.pruning.final_sparsity`.
      value: the new value, or a text to read it from.

    Raises:
      RecipeError: no such place (with the nearest name), or a value of a wrong type.
    """
    try:
        return _replace(root, path.split("."), value, Any, path)
    except InvalidArgumentError as error:
        raise RecipeError(f"--set={path}={value}: {error}") from error


def _replace(node: Any, names: list[str], value: Any, kind: Any, path: str) -> Any:
    if not names:
        return _parse(value, kind, path)
    name, rest = names[0], names[1:]
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        kinds = typing.get_type_hints(type(node))
        known = [field.name for field in dataclasses.fields(node)]
        if name not in known:
            raise _unknown(name, known, path)
        child = _replace(getattr(node, name), rest, value, kinds[name], path)
        return dataclasses.replace(node, **{name: child})
    if isinstance(node, Mapping):
        if rest and name not in node:
            raise _unknown(name, list(node), path)
        return {**node, name: _replace(node.get(name), rest, value, Any, path)}
    if isinstance(node, tuple):
        position = _position(node, name, path)
        child = _replace(node[position], rest, value, Any, path)
        return (*node[:position], child, *node[position + 1 :])
    raise RecipeError(
        f"{path!r} names a field {name!r} of {node!r}, which has no fields; set what "
        "stands before it, or write that part into the recipe first"
    )


def _position(items: tuple[Any, ...], name: str, path: str) -> int:
    if name.isdigit() and int(name) < len(items):
        return int(name)
    kinds = [snake_case(type(item).__name__) for item in items]
    if kinds.count(name) == 1:
        return kinds.index(name)
    if name in kinds:
        positions = [str(i) for i, kind in enumerate(kinds) if kind == name]
        raise RecipeError(
            f"{path!r}: {name!r} could be any of the positions {', '.join(positions)}; "
            "use the number"
        )
    raise _unknown(name, [*map(str, range(len(items))), *kinds], path)


def _unknown(name: str, known: Sequence[str], path: str) -> RecipeError:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    return RecipeError(f"{path!r} names no field of the recipe: no {name!r}; {hint}")


_CONSTANTS = {"true": True, "false": False, "none": None}


def _parse(value: Any, kind: Any, path: str) -> Any:
    if isinstance(value, str) and not (kind is not Any and accepts(kind, value)):
        value = _literal(value, kind, path)
    elif isinstance(value, str) and value.lower() in _CONSTANTS:
        constant = _CONSTANTS[value.lower()]
        value = constant if accepts(kind, constant) else value
    if isinstance(value, list):
        value = tuple(value)
    kinds = alternatives(kind)
    if type(value) is int and float in kinds and int not in kinds:
        value = float(value)
    if not accepts(kind, value):
        raise _wrong_type(value, kind, path)
    return value


def _literal(text: str, kind: Any, path: str) -> Any:
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if kind is Any:
            return text
        raise _wrong_type(text, kind, path) from None


def _wrong_type(value: Any, kind: Any, path: str) -> RecipeError:
    return RecipeError(f"{path!r} cannot be {value!r}; expected {describe(kind)}")
