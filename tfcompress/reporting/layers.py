"""Layers of a model before and after compression, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tfcompress.profiling import LayerProfile


class LayerPair(NamedTuple):
    """A layer before and after; None where the model does not have it."""

    name: str
    before: LayerProfile | None
    after: LayerProfile | None


def paired_layers(
    before: Sequence[LayerProfile], after: Sequence[LayerProfile]
) -> list[LayerPair]:
    """Pairs layers by name: those of `after` in order, then what it has not any more.

    Of several layers of one name the first are paired with the first.

    Args:
      before: of the baseline.
      after: of the compressed model.
    """
    waiting: dict[str, list[LayerProfile]] = {}
    for layer in before:
        waiting.setdefault(layer.name, []).append(layer)
    pairs = []
    for layer in after:
        same = waiting.get(layer.name, [])
        pairs.append(LayerPair(layer.name, same.pop(0) if same else None, layer))
    gone = [layer for layers in waiting.values() for layer in layers]
    return pairs + [LayerPair(layer.name, layer, None) for layer in gone]
