"""Pictures of a model layer by layer: channels, what they are worth, int8 errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling.profile import visible_text
from tfcompress.sensitivity.channels import Sensitivity
from tfcompress.sensitivity.quantization_errors import QuantizationErrors

_ROW_INCHES = 0.24
_NUM_WORST = 10
_HIGHEST_DB = 80.0


def plot_channels(channels: Mapping[str, Sequence[int]]) -> Figure:
    """Draws the output channels of each layer before and after `ChannelPruning`.

    Args:
      channels: (before, after) of each layer by name, as the stage notes them:
        `run.facts["channels"]`, or `row["facts"]["channels"]` of a row in a report's
        `stages`.

    Returns:
      A matplotlib figure, a bar a layer, the first at the top.

    Raises:
      InvalidArgumentError: there are no layers.

    Example:
      >>> model = tfc.ChannelPruning(target={"macs": 0.5})(model, run)
      >>> tfc.plot_channels(run.facts["channels"]).savefig("channels.png")
    """
    if not channels:
        raise InvalidArgumentError("plot_channels: there are no layers to draw")
    before, after = zip(*channels.values(), strict=True)
    places = range(len(before))
    figure, axes = _figure(list(channels), width=7.0)
    axes.barh(places, before, color="#d4d4d8", label="before")
    axes.barh(places, after, color="#2563eb", label="kept")
    for place, old, new in zip(places, before, after, strict=True):
        text = f" {new} of {old}" if new != old else f" {old}"
        axes.text(old, place, text, va="center", fontsize=8)
    axes.set_xlim(0, 1.2 * max(before))
    axes.set_xlabel("output channels")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def plot_sensitivity(sensitivity: Sensitivity) -> Figure:
    """Draws the accuracy that is left against the share of channels removed.

    Args:
      sensitivity: as `channel_sensitivity` returns it.

    Returns:
      A matplotlib figure: a row for layers whose channels go together, a column for
      each ratio, the top-1 in percent as colour and number. A share of which no channel
      could be removed is left blank.
    """
    ratios = sorted({row.ratio for row in sensitivity.rows})
    layers = list(dict.fromkeys(row.layers for row in sensitivity.rows))
    top1 = np.full((len(layers), len(ratios)), np.nan)
    for row in sensitivity.rows:
        if row.removed:
            place = layers.index(row.layers), ratios.index(row.ratio)
            top1[place] = 100 * row.top1
    names = [x[0] + (f" +{len(x) - 1}" if len(x) > 1 else "") for x in layers]
    figure, axes = _figure(names, width=4.5 + 0.6 * len(ratios))
    highest = 100 * sensitivity.top1
    image = axes.imshow(top1, cmap="viridis", vmin=0, vmax=highest, aspect="auto")
    for (row, column), value in np.ndenumerate(top1):
        if np.isfinite(value):
            color = "black" if value > highest * 0.6 else "white"
            axes.text(column, row, f"{value:.1f}", **_CENTERED, color=color, fontsize=8)
    axes.set_xticks(range(len(ratios)), [f"{ratio:.0%}" for ratio in ratios])
    axes.set_xlabel("share of output channels removed")
    bar = figure.colorbar(image, ax=axes)
    bar.set_label(
        f"top-1 in % on {sensitivity.num_images} validation images; "
        f"whole model {highest:.1f}",
        fontsize=8,
    )
    return figure


def plot_quantization_errors(errors: QuantizationErrors) -> Figure:
    """Draws how far each layer's noise lies below its signal, in int8.

    Args:
      errors: as `quantization_errors` returns it.

    Returns:
      A matplotlib figure: a bar for each layer's own rounding, the first layer at the
      top, and a line for that of all layers up to it, in decibels; shorter is worse.
    """
    own, total = (
        [min(getattr(row, key), _HIGHEST_DB) for row in errors.rows]
        for key in ("own_sqnr_db", "sqnr_db")
    )
    figure, axes = _figure([row.name for row in errors.rows], width=7.0)
    worst = {row.name for row in errors.worst(_NUM_WORST)}
    colors = ["#dc2626" if row.name in worst else "#93c5fd" for row in errors.rows]
    places = range(len(own))
    axes.barh(places, own, color=colors, label="the layer alone")
    axes.plot(total, places, ".-", color="#111827", label="all layers up to it")
    axes.set_xlim(min(0, *own, *total), None)
    axes.set_xlabel(
        f"signal to quantization noise in dB, on {errors.num_images} images\n"
        f"red: the worst {len(worst)}"
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


_CENTERED: dict[str, Any] = {"ha": "center", "va": "center"}


def _figure(names: Sequence[str], width: float) -> tuple[Figure, Axes]:
    """Returns an empty figure with a row for each name, the first at the top."""
    height = 1.3 + _ROW_INCHES * max(len(names), 6)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    # Names come from files: a dollar sign in one would begin a formula.
    labels = [visible_text(name) for name in names]
    axes.set_yticks(range(len(labels)), labels, fontsize=8, parse_math=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    return figure, axes
