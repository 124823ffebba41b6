"""The pictures of a comparison as PNG files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfcompress.profiling.memory_plot import plot_memory
from tfcompress.quality.robustness.plot import plot_robustness
from tfcompress.quality.robustness.result import Robustness
from tfcompress.reporting.figures import FIGURES
from tfcompress.reporting.plots import plot_bytes, plot_pareto, plot_stages, png

if TYPE_CHECKING:
    from tfcompress.reporting.compare import Comparison

COSTS = ("size_bytes", "latency_ms", "macs", "peak_memory_bytes")


def comparison_pictures(comparison: Comparison) -> dict[str, bytes]:
    """Returns PNG files by name: the Pareto fronts, and of each run its pictures.

    Those of a run begin with its number, from 1; `robustness_1.png` is of the first
    model that is no run's and was tried.
    """
    gain, costs = pareto_axes(comparison)
    figures = {f"pareto_{c}.png": plot_pareto(comparison, c, gain) for c in costs}
    for number, run in enumerate(comparison.runs, 1):
        figures[f"{number}_stages.png"] = plot_stages(run.report)
        sides = {"before": run.before, "after": run.after}
        figures[f"{number}_bytes.png"] = plot_bytes(sides)
        for side, profile in sides.items():
            if profile.memory is not None:
                figures[f"{number}_memory_{side}.png"] = plot_memory(profile)
        if robustness := run.report.artifact.get("robustness"):
            result = Robustness.from_dict(robustness["result"])
            figures[f"{number}_robustness.png"] = plot_robustness(result)
    for number, result in enumerate(comparison.robustness.values(), 1):
        figures[f"robustness_{number}.png"] = plot_robustness(result)
    return {name: png(figure) for name, figure in figures.items()}


def pareto_axes(comparison: Comparison) -> tuple[str, list[str]]:
    """Returns the figure to draw upwards, and those to draw it against.

    These are bytes, latency, MACs, memory and the comparison's own axes, as far as two
    models differ in them.
    """
    gain = next((a for a in comparison.axes if FIGURES[a].larger_is_better), "top1")
    costs = []
    for cost in dict.fromkeys((*COSTS, *comparison.axes)):
        points = [(row.figures[cost], row.figures[gain]) for row in comparison.rows]
        known = {point[0] for point in points if None not in point}
        if cost != gain and len(known) > 1:
            costs.append(cost)
    return gain, costs
