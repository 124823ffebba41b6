"""A profile as a table for the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from tfcompress.profiling.profile import Profile, Totals, shape_text, visible_text


def profile_table(profile: Profile) -> Table:
    """Returns a rich table: one row a layer, the totals at the foot.

    Example:
      >>> rich.print(profile_table(tfc.profile("model.tflite")))
    """
    totals = profile.totals
    table = Table(
        title=_text(profile.source),
        caption=_caption(totals) or None,
        caption_justify="left",
        show_footer=True,
    )
    table.add_column("layer", "total", overflow="fold")
    table.add_column("type", overflow="fold")
    table.add_column("output", justify="right")
    table.add_column("params", f"{totals.params:,}", justify="right")
    table.add_column("non-zero", f"{totals.nonzero_params:,}", justify="right")
    table.add_column("sparsity", f"{totals.sparsity:.1%}", justify="right")
    table.add_column("MACs", f"{totals.macs:,}", justify="right")
    for layer in profile.layers:
        table.add_row(
            _text(layer.name),
            _text(layer.type),
            shape_text(layer.output_shape),
            f"{layer.params:,}" if layer.params else "",
            f"{layer.nonzero_params:,}" if layer.params else "",
            f"{layer.sparsity:.1%}" if layer.kernel_params else "",
            f"{layer.macs:,}" if layer.macs else "",
        )
    return table


def _text(name: str) -> str:
    return escape(visible_text(name))


def _caption(totals: Totals) -> str:
    counts = {
        "trainable parameters": totals.trainable_params,
        "bytes": totals.size_bytes,
        "bytes gzipped": totals.gzip_bytes,
    }
    text = ", ".join(
        f"{count:,} {what}" for what, count in counts.items() if count is not None
    )
    if totals.latency_ms is not None:
        latency = totals.latency_ms
        text += (
            "\nlatency p10/p50/p90 "
            f"{latency['p10']:.3f}/{latency['p50']:.3f}/{latency['p90']:.3f} ms, "
            f"threads: {latency['num_threads']:.0f}"
        )
    return text
