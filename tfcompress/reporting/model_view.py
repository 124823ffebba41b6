"""What a page shows of a model by its profile, or of two, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfcompress.profiling import LayerProfile, Profile
from tfcompress.profiling.memory_plot import plot_memory
from tfcompress.profiling.profile import shape_text
from tfcompress.reporting.cells import Cell, cell, text_cell
from tfcompress.reporting.layers import LayerPair, paired_layers
from tfcompress.reporting.plots import bytes_by_kind, data_uri, plot_bytes

_PARTS = ("gains", "summary", "stages", "worst", "confusion", "changed", "robustness")
_REST = ("skipped", "snippet", "environment", "settings")


def model_view(name: str, profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """Returns what the template `model.html` takes, with no more than profiles tell.

    Args:
      name: of the model.
      profiles: of one model, or of two, before and after, by what they are called.
    """
    *before, after = profiles.values()
    files = {key: each for key, each in profiles.items() if each.format == "tflite"}
    notes = [note for each in profiles.values() for note in each.notes]
    return {
        **dict.fromkeys((*_PARTS, *_REST)),
        "name": name,
        "has_before": bool(before),
        "bytes": _bytes(files) if files else None,
        "layers": _layers(before[0] if before else None, after),
        "memory": [
            {"caption": key, "uri": _memory_picture(each)}
            for key, each in profiles.items()
            if each.memory is not None
        ],
        "skipped": {"head": [], "rows": [], "notes": notes} if notes else None,
    }


def _memory_picture(profile: Profile) -> str:
    figure = plot_memory(profile)
    figure.set_size_inches(5.2, 3.2)
    return data_uri(figure)


def _bytes(files: Mapping[str, Profile]) -> dict[str, Any]:
    parts = {name: bytes_by_kind(profile) for name, profile in files.items()}
    kinds = dict.fromkeys(kind for each in parts.values() for kind in each)
    rows = [
        [text_cell(kind), *(cell(each.get(kind, 0)) for each in parts.values())]
        for kind in kinds
    ]
    totals = [each.totals for each in files.values()]
    rows.append([text_cell("file"), *(cell(each.size_bytes) for each in totals)])
    rows.append([text_cell("gzip -9"), *(cell(each.gzip_bytes) for each in totals)])
    return {
        "picture": data_uri(plot_bytes(files)),
        "head": ["bytes", *files],
        "rows": rows,
    }


def _layers(before: Profile | None, after: Profile) -> dict[str, Any]:
    pairs = paired_layers(before.layers if before else (), after.layers)
    total = sum(_weight_bytes(layer) for layer in after.layers)
    head = ["layer", "type", "output"]
    for what in ("params", "MACs", "bytes"):
        head += [f"{what} before", "after"] if before else [what]
    rows = []
    for pair in pairs:
        weight = _weight_bytes(pair.after) if pair.after else 0
        share = round(100 * weight / total, 2) if total else 0
        rows.append({"cells": _layer_cells(pair, before is not None), "share": share})
    return {"head": [*head, "zeros", "share"], "rows": rows}


def _layer_cells(pair: LayerPair, has_before: bool) -> list[Cell]:
    shown = pair.after or pair.before
    assert shown is not None
    sides = (pair.before, pair.after) if has_before else (pair.after,)
    cells = [text_cell(pair.name), text_cell(shown.type)]
    cells.append(text_cell(shape_text(shown.output_shape)))
    for value in (lambda x: x.params, lambda x: x.macs, _weight_bytes):
        cells += [cell(None if side is None else value(side)) for side in sides]
    zeros = pair.after.sparsity if pair.after and pair.after.kernel_params else None
    cells.append(cell(zeros, "" if zeros is None else f"{zeros:.1%}"))
    return cells


def _weight_bytes(layer: LayerProfile) -> int:
    return sum(layer.weight_bytes.values())
