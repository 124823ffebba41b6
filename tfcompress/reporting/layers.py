"""Layers of a model before and after compression, side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
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

    Of several layers of one name the first are paired with the first. A slimmed file
    has no names: its layers are paired by their types, in order, and so are those that
    it is compared with.

    Args:
      before: of the baseline.
      after: of the compressed model.
    """
    if any(map(_is_slimmed, (before, after))):
        return _paired_by_type(before, after)
    waiting: dict[str, list[LayerProfile]] = {}
    for layer in before:
        waiting.setdefault(layer.name, []).append(layer)
    pairs = []
    for layer in after:
        same = waiting.get(layer.name, [])
        pairs.append(LayerPair(layer.name, same.pop(0) if same else None, layer))
    gone = [layer for layers in waiting.values() for layer in layers]
    return pairs + [LayerPair(layer.name, layer, None) for layer in gone]


def _is_slimmed(layers: Sequence[LayerProfile]) -> bool:
    """Returns whether all names are numerals, as slimming writes them, or empty."""
    names = [layer.name for layer in layers]
    return bool(names) and all(re.fullmatch("[0-9a-z]{0,3}", name) for name in names)


def _paired_by_type(
    before: Sequence[LayerProfile], after: Sequence[LayerProfile]
) -> list[LayerPair]:
    old, new = ([_type(layer) for layer in side] for side in (before, after))
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    waiting = dict(enumerate(before))
    partners = {
        second + place: waiting.pop(first + place)
        for first, second, size in blocks
        for place in range(size)
    }
    pairs = []
    for place, layer in enumerate(after):
        partner = partners.get(place)
        # The name that says something is longer than a numeral.
        names = [layer.name] if partner is None else [layer.name, partner.name]
        pairs.append(LayerPair(max(names, key=len), partner, layer))
    return pairs + [LayerPair(layer.name, layer, None) for layer in waiting.values()]


def _type(layer: LayerProfile) -> str:
    """Returns a type without what sets `Conv2D` apart from `CONV_2D`."""
    return layer.type.replace("_", "").lower()
