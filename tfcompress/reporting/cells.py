"""Cells of tables that a reader can sort: what is shown, and what decides the order."""

from __future__ import annotations

from typing import Any, NamedTuple


class Cell(NamedTuple):
    """One cell.

    Args:
      text: what is shown.
      key: what is sorted by; empty for what is not known, which goes last.
      is_number: whether it stands to the right.
    """

    text: str
    key: str
    is_number: bool = False


def cell(value: Any, text: str | None = None) -> Cell:
    """Returns a cell of a number, text or None.

    Args:
      value: to sort by.
      text: to show; None makes it of the value.
    """
    if value is None:
        return Cell("" if text is None else text, "")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
        return Cell(shown if text is None else text, repr(value), is_number=True)
    return text_cell(value if text is None else text)


def text_cell(value: Any) -> Cell:
    """Returns a cell that is sorted as it reads."""
    return Cell(str(value), str(value))
