"""Tables in Markdown whose cells cannot break out of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Returns a table; every cell goes through `cell`."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(value: Any) -> str:
    """Returns a value as text without meaning to Markdown or HTML, on one line.

    Names come from strangers' files. None is what is not known.
    """
    if value is None:
        return "not known"
    text = f"{value:,}" if type(value) is int else str(value)
    text = "".join(c if c.isprintable() else "?" for c in text)
    for char in "\\|<>[]`*_":
        text = text.replace(char, f"\\{char}")
    return text
