"""Checking the values of dataclasses against the types that their fields declare."""

from __future__ import annotations

import math
import numbers
import reprlib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from tfcompress.errors import InvalidArgumentError, TfcompressError

_WORDS: dict[Any, str] = {
    bool: "True or False",
    float: "a number",
    int: "a whole number",
    str: "a text",
    Any: "a value",
    types.NoneType: "None",
}


def check_types(part: Any, error: type[TfcompressError] = InvalidArgumentError) -> None:
    """Refuses a dataclass that holds a value of another type than is declared.

    True and False are no numbers, NaN and infinity neither, and a class does not stand
    for its instance. Other sequences become tuples where a tuple is declared.

    Args:
      part: a frozen dataclass, while it is being made.
      error: what is raised.

    Raises:
      TfcompressError: names the first value that is wrong.

    Example:
      >>> def __post_init__(self):
      ...     check_types(self)
    """
    kinds = typing.get_type_hints(type(part))
    for field in fields(part):
        kind, value = kinds[field.name], getattr(part, field.name)
        if _is_sequence(value) and any(map(_is_tuple, alternatives(kind))):
            value = tuple(value)
            object.__setattr__(part, field.name, value)
        if not accepts(kind, value):
            place, kind, wrong = _innermost(field.name, kind, value)
            expected = _expected(kind, wrong, field.default)
            raise error(_message(part, place, wrong, expected))


def refusal(part: Any, name: str, expected: str) -> InvalidArgumentError:
    """Returns the error for a dataclass with a value that a field cannot have.

    Args:
      part: the dataclass.
      name: of the field.
      expected: goes on from "must be".
    """
    return InvalidArgumentError(_message(part, name, getattr(part, name), expected))


def _message(part: Any, place: str, value: Any, expected: str) -> str:
    return f"{type(part).__name__} {place}={reprlib.repr(value)} must be {expected}"


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Returns the members of a union, or the type alone."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return typing.get_args(kind)
    return (kind,)


def accepts(kind: Any, value: Any) -> bool:
    """Returns whether a value is of a type, as annotations of fields write it."""
    return any(_accepts_one(one, value) for one in alternatives(kind))


def _accepts_one(kind: Any, value: Any) -> bool:
    if kind is Any:
        return True
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        is_real = isinstance(value, float) and math.isfinite(value)
        return is_real or accepts(int, value)
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return isinstance(value, str) and value in typing.get_args(kind)
    if origin in (tuple, Mapping):
        items = _items(kind, value)
        return items is not None and all(accepts(k, v) for _, k, v in items)
    return isinstance(value, origin or kind) and not isinstance(value, type)


def _items(kind: Any, value: Any) -> list[tuple[str, Any, Any]] | None:
    """Returns place, type and value of the parts of a tuple or mapping.

    None where the value is not such a one, or not of the length that is declared.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Mapping and isinstance(value, Mapping):
        keys = [(" key", arguments[0], key) for key in value]
        return keys + [(f"[{k!r}]", arguments[1], v) for k, v in value.items()]
    if origin is tuple and isinstance(value, tuple):
        if arguments[-1] is Ellipsis:
            arguments = arguments[:1] * len(value)
        if len(arguments) == len(value):
            return [
                (f"[{i}]", *pair)
                for i, pair in enumerate(zip(arguments, value, strict=True))
            ]
    return None


def _innermost(place: str, kind: Any, value: Any) -> tuple[str, Any, Any]:
    """Returns place, type and value of what is wrong within a value that is wrong."""
    for one in alternatives(kind):
        for inner, declared, item in _items(one, value) or ():
            if not accepts(declared, item):
                return _innermost(place + inner, declared, item)
    return place, kind, value


def _is_tuple(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | tuple)


def check_seed(seed: Any) -> None:
    """Raises InvalidArgumentError unless a generator can be made of a seed."""
    is_whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not is_whole or seed < 0:
        raise InvalidArgumentError(
            f"seed={reprlib.repr(seed)} must be a whole number, 0 or more, such as 0"
        )


def describe(kind: Any) -> str:
    """Returns what a type asks for, in words."""
    words = list(map(_describe_one, alternatives(kind)))
    return (", or " if "," in "".join(words) else " or ").join(words)


def _describe_one(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"a tuple, each item {describe(arguments[0])}"
    if origin is tuple:
        return f"({', '.join(map(describe, arguments))})"
    if origin is Mapping:
        return f"a mapping of {' to '.join(map(describe, arguments))}"
    if origin is Callable:
        return "a function"
    return _WORDS.get(kind) or _with_article((origin or kind).__name__)


def _expected(kind: Any, wrong: Any, default: Any) -> str:
    """Returns what comes after "must be", with a value that would do."""
    if typing.get_origin(kind) is typing.Literal:
        return describe(kind)
    good = (wrong,) if isinstance(wrong, str) and accepts(kind, (wrong,)) else default
    is_plain = isinstance(good, float | int | str | tuple) and good is not True
    tells = is_plain and good and accepts(kind, good)
    example = f", such as {good!r}" if tells else ""
    found = describe_value(wrong)
    if found in describe(kind).split(" or "):
        # Of another library, such as a schedule of Keras.
        found += f" of {type(wrong).__module__.partition('.')[0]}"
    return f"{describe(kind)}{example}, not {found}"


def describe_value(value: Any) -> str:
    """Returns what a value is, in words, such as `an int`."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    return _with_article(type(value).__name__)


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOaeiou' else 'a'} {name}"
