"""A profile as tables for the terminal: the totals, and layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rich import box
from rich.markup import escape
from rich.table import Table

from tfcompress.profiling.counts import LayerProfile
from tfcompress.profiling.profile import Profile, Totals, shape_text, visible_text

_NARROW, _WIDE = 80, 130


def totals_table(profile: Profile) -> Table:
    """Returns a rich table of what the whole model holds and costs.

    Example:
      >>> rich.print(totals_table(tfc.profile("model.tflite")))
    """
    table = Table(title=_text(profile.source), show_header=False, box=box.SIMPLE)
    table.add_column("what", style="bold", overflow="fold")
    table.add_column("how much", overflow="fold")
    for what, how_much in _total_rows(profile):
        table.add_row(what, _text(how_much))
    return table


def profile_table(profile: Profile, width: int = _WIDE) -> Table:
    """Returns a rich table: one row a layer, the totals at the foot.

    Args:
      profile: to show.
      width: of the terminal in characters; a narrow one has fewer columns.

    Example:
      >>> rich.print(profile_table(tfc.profile("model.tflite")))
    """
    columns = [column for column in _COLUMNS if column.width <= width]
    table = Table(title=_text(profile.source), show_footer=True)
    table.add_column("layer", "total", overflow="fold")
    table.add_column("type", overflow="fold")
    for column in columns:
        footer = column.total(profile.totals)
        table.add_column(column.name, footer, justify="right", no_wrap=True)
    has_memory = profile.memory is not None and width >= _WIDE
    if has_memory:
        peak = f"{max(profile.memory.live_bytes):,}" if profile.memory else ""
        table.add_column("alive", peak, justify="right", no_wrap=True)
    if profile.roofline:
        table.add_column("bound", justify="right", no_wrap=True)
    live_bytes = profile.memory.live_bytes if profile.memory else ()
    for place, layer in enumerate(profile.layers):
        cells = [column.cell(layer) for column in columns]
        if has_memory:
            cells.append(f"{live_bytes[place]:,}" if place < len(live_bytes) else "")
        if profile.roofline:
            cells.append(profile.roofline.place(layer).bound if layer.flops else "")
        table.add_row(_text(layer.name), _text(layer.type), *cells)
    return table


def runtime_table(profile: Profile) -> Table:
    """Returns a rich table of the times of the runtime's own operators."""
    table = Table(title="operators as LiteRT runs them")
    table.add_column("operator", overflow="fold")
    table.add_column("us", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    total = sum(op.microseconds for op in profile.runtime_ops)
    for op in profile.runtime_ops:
        share = f"{op.microseconds / total:.1%}" if total else ""
        table.add_row(_text(op.name), f"{op.microseconds:,.1f}", share)
    return table


class _Column(NamedTuple):
    """One column, shown from a width of the terminal on."""

    name: str
    width: int
    cell: Callable[[LayerProfile], str]
    total: Callable[[Totals], str]


_COLUMNS = (
    _Column(
        "output", _NARROW, lambda layer: shape_text(layer.output_shape), lambda _: ""
    ),
    _Column(
        "params", 0, lambda layer: _count(layer.params), lambda all: f"{all.params:,}"
    ),
    _Column(
        "non-zero",
        _NARROW,
        lambda layer: f"{layer.nonzero_params:,}" if layer.params else "",
        lambda all: f"{all.nonzero_params:,}",
    ),
    _Column(
        "sparsity",
        _WIDE,
        lambda layer: f"{layer.sparsity:.1%}" if layer.kernel_params else "",
        lambda all: f"{all.sparsity:.1%}",
    ),
    _Column("values", _WIDE, lambda layer: _values(layer), lambda all: ""),
    _Column("MACs", 0, lambda layer: _count(layer.macs), lambda all: f"{all.macs:,}"),
    _Column(
        "read", _WIDE, lambda x: _count(x.read_bytes), lambda all: f"{all.read_bytes:,}"
    ),
    _Column(
        "written",
        _WIDE,
        lambda layer: _count(layer.written_bytes),
        lambda all: f"{all.written_bytes:,}",
    ),
    _Column(
        "ops/byte",
        _WIDE,
        lambda layer: f"{layer.intensity:.1f}" if layer.flops else "",
        lambda all: "",
    ),
)


def _total_rows(profile: Profile) -> Iterator[tuple[str, str]]:
    totals = profile.totals
    params = f"{totals.params:,}, {totals.nonzero_params:,} of them not zero"
    if totals.trainable_params is not None:
        params += f", {totals.trainable_params:,} trainable"
    yield "parameters", params
    if totals.folded_params is not None:
        yield "  in a float .tflite", f"{totals.folded_params:,}"
    yield "sparsity of kernels", f"{totals.sparsity:.1%}"
    yield "MACs", f"{totals.macs:,}"
    yield "operations", f"{totals.flops:,}, two a MAC"
    yield "weights", _sizes(totals)
    if totals.size_bytes is not None:
        yield "file", f"{totals.size_bytes:,} bytes, {totals.gzip_bytes:,} gzipped"
        yield "  not weights", f"{totals.other_bytes:,} bytes"
    accessed = totals.read_bytes + totals.written_bytes
    yield (
        "memory access",
        f"{totals.read_bytes:,} bytes read, {totals.written_bytes:,} written, "
        f"{totals.flops / max(1, accessed):.1f} operations a byte",
    )
    if memory := profile.memory:
        peak = f"{totals.peak_memory_bytes:,} bytes, at {totals.peak_op}"
        layer = profile.layers[memory.peak_op]
        place = f"{layer.type}, {memory.peak_op + 1} of {len(profile.layers)}"
        yield "peak activations", f"{peak} ({place})"
    for arena in profile.arenas:
        text = f"{arena.tensor_bytes:,} bytes"
        if arena.persistent_bytes is not None:
            text += f", and {arena.persistent_bytes:,} of bookkeeping"
        yield f"  in {arena.runtime}", text
    yield from _latency_rows(totals)
    for energy in (totals.measured_energy, totals.modelled_energy):
        if energy is not None:
            text = f"{energy.millijoules:.4g} mJ ({energy.source})"
            yield f"energy, {energy.kind}", text
    yield from _roofline_rows(profile)
    for note in profile.notes:
        yield "note", note


def _latency_rows(totals: Totals) -> Iterator[tuple[str, str]]:
    latency = totals.latency_ms
    if latency is None:
        return
    yield (
        "latency",
        f"p10/p50/p90 {latency['p10']:.3f}/{latency['p50']:.3f}/{latency['p90']:.3f} "
        f"ms, mean {latency['mean']:.3f} ms",
    )
    cores = latency["cores"]
    held = f"pinned to {', '.join(map(str, cores))}" if cores else "not pinned"
    yield (
        "  measured",
        f"{latency['num_runs']} runs of {latency['batch_size']} after "
        f"{latency['num_warm_up_runs']}, threads: {latency['num_threads']}, {held}",
    )
    yield "throughput", f"{latency['examples_per_second']:,.1f} a second"


def _roofline_rows(profile: Profile) -> Iterator[tuple[str, str]]:
    roofline = profile.roofline
    if roofline is None:
        return
    rates = ", ".join(
        f"{rate / 1e9:.1f} GMAC/s {dtype}"
        for dtype, rate in roofline.macs_per_second.items()
    )
    yield (
        "this machine",
        f"{roofline.bytes_per_second / 1e9:.1f} GB/s, {rates}, "
        f"threads: {roofline.num_threads}",
    )
    placed = [roofline.place(layer) for layer in profile.layers if layer.flops]
    attainable_ms = sum(each.attainable_us for each in placed) / 1000
    bound = sum(each.bound == "memory" for each in placed)
    yield (
        "  roofline",
        f"{bound} of {len(placed)} layers bound by memory; not below "
        f"{attainable_ms:.3f} ms",
    )


def _sizes(totals: Totals) -> str:
    sizes = (f"{size:,} bytes {kind}" for kind, size in totals.weight_bytes.items())
    return ", ".join(sizes) or "none"


def _values(layer: LayerProfile) -> str:
    """Returns how many weights differ: of a kernel, and of its richest channel."""
    if layer.num_values is None:
        return ""
    return f"{layer.num_values:,} ({layer.num_channel_values:,})"


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _text(text: str) -> str:
    return escape(visible_text(text))
