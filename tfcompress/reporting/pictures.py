"""The pictures of a comparison as PNG files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfcompress.profiling.memory_plot import plot_memory
from tfcompress.quality.robustness.plot import plot_robustness
from tfcompress.reporting.figures import FIGURES
from tfcompress.reporting.plots import plot_bytes, plot_pareto, plot_stages, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfcompress.reporting.comparison import Comparison

COSTS = ("size_bytes", "latency_ms", "macs", "peak_memory_bytes")


def comparison_pictures(comparison: Comparison) -> dict[str, bytes]:
    """Returns PNG files by name: the Pareto fronts, and of each model its pictures.

    Those of a run begin with its number, from 1; those of models that are no run's end
    with theirs, from 1, such as `bytes_1.png`.
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
        if (result := run.robustness()) is not None:
            figures[f"{number}_robustness.png"] = plot_robustness(result)
    figures |= _lone_figures(comparison)
    pictures = {name: png(figure) for name, figure in figures.items()}
    for number, name in enumerate(comparison.profiles or {}, 1):
        changed = comparison.changed.get(name)
        if changed is not None and changed.picture is not None:
            pictures[f"changed_{number}.png"] = changed.picture
    return pictures


def _lone_figures(comparison: Comparison) -> dict[str, Figure]:
    figures = {}
    for number, (name, profile) in enumerate((comparison.profiles or {}).items(), 1):
        if profile.format == "tflite":
            figures[f"bytes_{number}.png"] = plot_bytes({name: profile})
        if profile.memory is not None:
            figures[f"memory_{number}.png"] = plot_memory(profile)
        if name in comparison.robustness:
            result = comparison.robustness[name]
            figures[f"robustness_{number}.png"] = plot_robustness(result)
    return figures


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
