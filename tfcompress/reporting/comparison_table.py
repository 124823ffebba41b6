"""A comparison as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from tfcompress.profiling.profile import visible_text
from tfcompress.reporting.comparison import Comparison
from tfcompress.reporting.figures import FIGURES


def comparison_tables(comparison: Comparison, diff_only: bool) -> Iterator[Table]:
    """Yields a rich table of the figures, and one of the settings that differ.

    Args:
      comparison: to show.
      diff_only: whether figures that are the same for all rows are left out.
    """
    names, front = comparison.figure_names(diff_only), comparison.pareto()
    table = Table(box=box.SIMPLE)
    table.add_column("model", overflow="fold")
    table.add_column("kind")
    table.add_column("Pareto")
    for name in names:
        table.add_column(FIGURES[name].label, justify="right")
    for row in comparison.rows:
        figures = (row.text(name) for name in names)
        star = "*" if row in front else ""
        table.add_row(_text(row.name), row.kind, star, *figures)
    yield table
    if differences := comparison.differences():
        table = Table(title="what differs between the runs", box=box.SIMPLE)
        for head in ("setting", *(_text(run.name) for run in comparison.runs)):
            table.add_column(head, overflow="fold")
        for path, values in differences.items():
            table.add_row(_text(path), *map(_text, values.values()))
        yield table


def _text(value: Any) -> str:
    return escape(visible_text(str(value)))
