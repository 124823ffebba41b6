"""A picture of the memory that activations take over the course of one run."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling.profile import Profile, visible_text

_KIB = 1024


def plot_memory(profile: Profile) -> Figure:
    """Draws the bytes that are alive at each layer or operator.

    Args:
      profile: of a Keras model or a .tflite file.

    Returns:
      A matplotlib figure: a step a layer, in order of execution, the highest marked;
      lines for the memory that the plan takes, and for what runtimes allocate, where
      that was measured.

    Raises:
      InvalidArgumentError: the profile has no memory plan.

    Example:
      >>> tfc.plot_memory(tfc.profile("model.tflite")).savefig("memory.png")
    """
    memory = profile.memory
    if memory is None:
        raise InvalidArgumentError(
            f"plot_memory: the profile of {profile.source} has no memory plan, as the "
            "model has no layers; expected a model that computes something"
        )
    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    live = [live / _KIB for live in memory.live_bytes]
    edges = [place - 0.5 for place in range(len(live) + 1)]
    axes.stairs(live, edges, fill=True, color="#93c5fd", label="alive")
    peak = memory.peak_op
    axes.stairs(
        live[peak : peak + 1], edges[peak : peak + 2], fill=True, color="#dc2626"
    )
    lines = [("planned", memory.peak_bytes)]
    lines += [(arena.runtime, arena.tensor_bytes) for arena in profile.arenas]
    for number, (name, num_bytes) in enumerate(lines):
        style = ("-", "--", ":")[number % 3]
        label = f"{name}: {num_bytes:,} bytes"
        axes.axhline(num_bytes / _KIB, color="#111827", ls=style, lw=1, label=label)
    highest = max(1, *live, *(num_bytes / _KIB for _, num_bytes in lines))
    _name_peak(axes, profile, peak, highest)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.2 * highest)
    axes.set_xlabel("layer" if profile.format == "keras" else "operator")
    axes.set_ylabel("activations in KiB")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return figure


def _name_peak(axes: Axes, profile: Profile, peak: int, height: float) -> None:
    """Writes the name of the layer at the peak above everything drawn."""
    layer = profile.layers[peak]
    text = axes.annotate(
        # Names come from files: a dollar sign in one would begin a formula.
        visible_text(f"{layer.name} ({layer.type})"),
        (peak, height),
        xytext=(0, 6),
        textcoords="offset points",
        ha="left" if peak < len(profile.layers) / 2 else "right",
        fontsize=8,
        parse_math=False,
    )
    # A long name is cut off; it must not leave the axes without room.
    text.set_in_layout(False)
