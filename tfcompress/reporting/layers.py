"""Layers of a model before and after compression, side by side."""

from __future__ import annotations

import re
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
    """Pairs the longest common subsequence of types."""
    waiting, pairs = dict(enumerate(before)), []
    partners = {
        second: waiting.pop(first)
        for first, second in _common(
            *(list(map(_type, side)) for side in (before, after))
        )
    }
    for place, layer in enumerate(after):
        partner = partners.get(place)
        # The name that says something is longer than a numeral.
        names = [layer.name] if partner is None else [layer.name, partner.name]
        pairs.append(LayerPair(max(names, key=len), partner, layer))
    return pairs + [LayerPair(layer.name, layer, None) for layer in waiting.values()]


def _common(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Returns the places of the longest common subsequence, in both sequences.

    The blocks of `difflib` are not it: where types recur, one operator more between two
    of them moves all pairs before it by a block.
    """
    lengths = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in reversed(range(len(first))):
        for j in reversed(range(len(second))):
            lengths[i][j] = (
                1 + lengths[i + 1][j + 1]
                if first[i] == second[j]
                else max(lengths[i + 1][j], lengths[i][j + 1])
            )
    places, i, j = [], 0, 0
    while lengths[i][j]:
        if first[i] == second[j]:
            places.append((i, j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return places


def _type(layer: LayerProfile) -> str:
    """Returns a type without what sets `Conv2D` apart from `CONV_2D`."""
    return layer.type.replace("_", "").lower()
