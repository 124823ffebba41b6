"""Pictures of a comparison and of a run, small enough for a phone."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfcompress.profiling import Profile
from tfcompress.profiling.profile import visible_text
from tfcompress.reporting.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tfcompress.reporting.comparison import Comparison
    from tfcompress.reporting.figures import Row

_WIDTH = 4.8
_BLUE, _GREY, _LIGHT = "#2563eb", "#71717a", "#e4e4e7"
_KINDS_OF_BYTES = ("#2563eb", "#60a5fa", "#0f766e", "#a16207", "#7c3aed", "#be185d")
_NOT_WEIGHTS = "not weights"
_SCALES = {
    "size_bytes": ("file in KiB", 1024),
    "gzip_bytes": ("gzip -9 in KiB", 1024),
    "peak_memory_bytes": ("peak memory in KiB", 1024),
    "latency_ms": ("latency in ms", 1),
    "macs": ("million MACs", 1e6),
    "params": ("thousand params", 1e3),
    "nonzero_params": ("thousand params that are not zero", 1e3),
    "top1": ("top-1 in %", 0.01),
    "sparsity": ("sparsity in %", 0.01),
}


def plot_pareto(
    comparison: Comparison, cost: str = "size_bytes", gain: str = "top1"
) -> Figure:
    """Draws the models of a comparison by two figures, the Pareto front as a line.

    Args:
      comparison: as `compare` returns it; points have the numbers of its rows, from 1.
      cost: name of the figure to the right.
      gain: name of the figure upwards.

    Returns:
      A matplotlib figure. Models of which one of the two is not known are not in it. A
      latency that was measured with an interval has it as a pale bar.

    Raises:
      InvalidArgumentError: there is no such figure.

    Example:
      >>> figure = tfc.plot_pareto(tfc.compare(["runs/a", "runs/b"]), "latency_ms")
      >>> figure.savefig("pareto.png", dpi=150)
    """
    front = comparison.pareto((gain, cost))
    figure = Figure(figsize=(_WIDTH, 3.2), layout="constrained")
    axes = figure.add_subplot()
    (x_label, x_scale), (y_label, y_scale) = (
        _scale(name, comparison.rows) for name in (cost, gain)
    )
    on_front: list[tuple[float, float]] = []
    numbers: dict[tuple[float, float], list[str]] = {}
    for number, row in enumerate(comparison.rows, 1):
        x, y = row.figures[cost], row.figures[gain]
        if x is None or y is None:
            continue
        point = (x / x_scale, y / y_scale)
        # Points that coincide have one label.
        numbers.setdefault(point, []).append(str(number))
        color, marker = _GREY, "s" if row.kind == "baseline" else "o"
        if row in front:
            color = _BLUE
            on_front.append(point)
        axes.plot(*point, marker=marker, color=color, ls="none", markersize=7)
        if cost == "latency_ms" and row.latency_interval is not None:
            low, high = (end / x_scale for end in row.latency_interval)
            axes.hlines(point[1], low, high, color=color, lw=5, alpha=0.3)
    for point, labels in numbers.items():
        place: dict[str, Any] = {"xytext": (7, 5), "textcoords": "offset points"}
        axes.annotate(", ".join(labels), point, fontsize=9, **place)
    if len(on_front) > 1:
        corners = sorted(on_front)
        axes.step(*zip(*corners, strict=True), where="post", color=_BLUE, lw=1)
    _finish_pareto(axes, x_label, y_label)
    return figure


def _scale(name: str, rows: Sequence[Row]) -> tuple[str, float]:
    """Returns the label of an axis, and what its figures are divided by."""
    values = [value for row in rows if (value := row.figures[name]) is not None]
    if name == "latency_ms" and max(values, default=1) < 1:
        return "latency in us", 0.001
    return _SCALES[name]


def _finish_pareto(axes: Axes, x_label: str, y_label: str) -> None:
    axes.margins(0.15)
    # More would overlap where points lie so close that ticks have many digits.
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    _plain(axes)


def plot_stages(report: Report) -> Figure:
    """Draws what each stage left: accuracy, parameters that are not zero, and MACs.

    Args:
      report: of a run.

    Returns:
      A matplotlib figure: a bar a stage, the baseline and the artifact among them.
    """
    stages: list[Mapping[str, Any]] = [*report.stages]
    figure = Figure(
        figsize=(_WIDTH, 1.4 + 0.66 * (len(stages) + 1)), layout="constrained"
    )
    panels = figure.subplots(3, 1)
    artifact = {"name": "model.tflite", **report.artifact}
    for panel, name in zip(panels, ("top1", "nonzero_params", "macs"), strict=True):
        label, scale = _SCALES[name]
        bars = [row for row in (*stages, artifact) if name in row]
        values = [row[name] / scale for row in bars]
        colors = [_BLUE if row is artifact else "#93c5fd" for row in bars]
        drawn = panel.barh(range(len(bars)), values, color=colors)
        panel.bar_label(drawn, fmt="{:,.4g}", padding=3, fontsize=8)
        names = [_text(row["name"]) for row in bars]
        panel.set_yticks(range(len(bars)), names, fontsize=8, parse_math=False)
        panel.invert_yaxis()
        panel.margins(x=0.18)
        panel.set_title(label, fontsize=9, loc="left")
        panel.set_xticks([])
        panel.spines[["top", "right", "bottom"]].set_visible(False)
    return figure


def plot_bytes(profiles: Mapping[str, Profile]) -> Figure:
    """Draws what the bytes of files are: weights by type, and what is none.

    Args:
      profiles: of .tflite files, by the name that is shown.
    """
    parts = {name: bytes_by_kind(profile) for name, profile in profiles.items()}
    kinds = list(dict.fromkeys(kind for each in parts.values() for kind in each))
    kinds.sort(key=lambda kind: kind == _NOT_WEIGHTS)
    figure = Figure(figsize=(_WIDTH, 1.3 + 0.45 * len(parts)), layout="constrained")
    axes = figure.add_subplot()
    left = [0.0] * len(parts)
    for number, kind in enumerate(kinds):
        widths = [each.get(kind, 0) / 1024 for each in parts.values()]
        color = _KINDS_OF_BYTES[number % len(_KINDS_OF_BYTES)]
        color = "#d4d4d8" if kind == _NOT_WEIGHTS else color
        axes.barh(range(len(parts)), widths, left=left, color=color, label=kind)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    names = [_text(name) for name in parts]
    axes.set_yticks(range(len(parts)), names, fontsize=8, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("KiB", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return figure


def bytes_by_kind(profile: Profile) -> dict[str, int]:
    """Returns the bytes of a file: weights by their type, and what is not weights."""
    totals = profile.totals
    kinds = {f"{dtype} weights": size for dtype, size in totals.weight_bytes.items()}
    return {**kinds, _NOT_WEIGHTS: totals.other_bytes or 0}


def png(figure: Figure) -> bytes:
    """Returns a figure as a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    return content.getvalue()


def data_uri(figure: Figure) -> str:
    """Returns a figure as an SVG in a URI; its letters are shapes and need no font."""
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "tfcompress"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(content.getvalue()).decode()}"


def _text(name: str, width: int = 30) -> str:
    shown = visible_text(name)
    return shown if len(shown) <= width else f"...{shown[3 - width :]}"


def _plain(axes: Axes) -> None:
    axes.grid(color=_LIGHT)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
