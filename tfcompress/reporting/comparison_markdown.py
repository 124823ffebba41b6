"""A comparison as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfcompress.reporting.figures import FIGURES
from tfcompress.reporting.markdown import cell, table

if TYPE_CHECKING:
    from tfcompress.reporting.comparison import Comparison


def comparison_markdown(comparison: Comparison, diff_only: bool) -> str:
    """Returns tables for people: figures, settings that differ, the environment.

    Args:
      comparison: to show.
      diff_only: whether figures that are the same for all rows are left out.
    """
    parts = ["# Comparison", *_figures(comparison, diff_only)]
    if differences := comparison.differences():
        lines = [[path, *values.values()] for path, values in differences.items()]
        parts.append("## What differs between the runs")
        parts.append(table(["setting", *(run.name for run in comparison.runs)], lines))
    for tried in comparison.tried():
        parts.append(f"## Robustness\n\n```\n{tried.result}\n```")
    parts += map(cell, comparison.notes)
    if comparison.environment:
        parts.append("## Where this comparison was made")
        parts.append(table(("", ""), comparison.environment.items()))
    return "\n\n".join([*parts, ""])


def _figures(comparison: Comparison, diff_only: bool) -> list[str]:
    names, front = comparison.figure_names(diff_only), comparison.pareto()
    rows = [
        [
            *(row.name, row.kind, "yes" if row in front else ""),
            *(row.text(name) for name in names),
        ]
        for row in comparison.rows
    ]
    head = ["model", "kind", "Pareto", *(FIGURES[name].label for name in names)]
    axes = ", ".join(FIGURES[axis].label for axis in comparison.axes)
    return [table(head, rows), f"Pareto: no other beats it in {axes}."]
