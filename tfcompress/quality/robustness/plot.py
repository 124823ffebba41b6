"""Robustness as a picture: accuracy against strength, a panel a perturbation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling.profile import visible_text
from tfcompress.quality.robustness.result import Robustness

_COLUMNS = 5
_PANEL_INCHES = (1.9, 1.9)
_MODEL: dict[str, Any] = {"color": "#2563eb", "marker": "o", "markersize": 4}
# Wide and pale behind the model's curve, so that both are seen where they are equal.
_BASELINE: dict[str, Any] = {"color": "#a1a1aa", "linewidth": 4}


def plot_robustness(result: Robustness) -> Figure:
    """Draws accuracy against the strength of each corruption and attack.

    Args:
      result: as `robustness` returns it.

    Returns:
      A matplotlib figure: a panel a perturbation, with top-1 in percent of the model
      and of its baseline; strength 0 is the unchanged image. Attacks have red titles.

    Raises:
      InvalidArgumentError: nothing was tried.

    Example:
      >>> result = tfc.robustness("model.tflite", data, baseline=model)
      >>> tfc.plot_robustness(result).savefig("robustness.png")
    """
    names = result.perturbations
    if not names:
        raise InvalidArgumentError(
            "plot_robustness: there are no perturbations to draw"
        )
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    width, height = _PANEL_INCHES
    size = (max(6.0, width * columns + 0.6), height * rows + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel, name in zip(panels.flat, names, strict=False):
        points = result.under(name)
        strengths = [0, *(row.strength for row in points)]
        if result.baseline is not None:
            tops = [result.baseline_top1, *(row.baseline_top1 for row in points)]
            label = _label(result.baseline)
            panel.plot(strengths, _percent(tops), label=label, **_BASELINE)
        tops = [result.top1, *(row.top1 for row in points)]
        panel.plot(strengths, _percent(tops), label=_label(result.model), **_MODEL)
        color = "#b91c1c" if points[0].is_attack else "black"
        panel.set_title(name.replace("_", " "), fontsize=10, color=color)
        panel.grid(color="#e4e4e7")
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels.flat[len(names) :]:
        panel.set_axis_off()
    # Panels share the numbers of those below, which may be off.
    for panel in panels.flat[max(0, len(names) - columns) : len(names)]:
        panel.tick_params(labelbottom=True)
    panels[0, 0].set_ylim(0, 100)
    panels[0, 0].set_xticks(range(6))
    figure.supxlabel("strength", fontsize=10)
    figure.supylabel("top-1 in %", fontsize=10)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), **_LEGEND)
    return figure


def _label(name: str) -> str:
    # Names come from files: a dollar sign in one would begin a formula.
    return visible_text(Path(name).name).replace("$", r"\$")


def _percent(shares: Sequence[float | None]) -> list[float]:
    return [100 * share for share in shares if share is not None]


_LEGEND: dict[str, Any] = {
    "loc": "outside upper center",
    "ncols": 2,
    "frameon": False,
    "fontsize": 9,
}
