"""What can be taken out at a time: groups of channels, the least important first."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tfcompress.channels.cost import Cost
from tfcompress.channels.coupling import Groups


@dataclass(frozen=True)
class Limits:
    """How far channels may be taken out.

    Args:
      round_to: a family keeps a multiple of this many channels; grouped convolutions,
        whose parts must stay equal, are let off.
      min_channels: channels that a family keeps at least.
      max_removed: largest share of a layer that is removed, in (0, 1).
      whole: channels of each layer of which that is a share, where not those it has.
    """

    round_to: int = 8
    min_channels: int = 8
    max_removed: float = 0.9
    whole: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Unit:
    """Groups of channels that are taken out of a family at once.

    Args:
      family: number of the family.
      groups: of channels.
      score: how much they matter, as a mean over the groups; never less than that of
        the unit before, which has to go first.
      share: of the family's channels that are gone with it and those before.
    """

    family: int
    groups: np.ndarray
    score: float
    share: float


@dataclass(frozen=True, eq=False)
class Family:
    """Groups of channels that the same layers have as outputs and as inputs.

    The channels of one convolution, or of all that a chain of residual blocks adds up.
    Parts of grouped convolutions that have to stay equal bring families together.

    Args:
      groups: of channels, none of which has to stay.
      layers: names of the layers whose outputs they are.
      widths: (layers, groups) number of channels that each group has in each layer.
    """

    groups: np.ndarray
    layers: tuple[str, ...]
    widths: np.ndarray


def find_families(groups: Groups, cost: Cost) -> list[Family]:
    """Returns the families of a model, in the order of its layers."""
    outputs: list[list[int]] = [[] for _ in range(len(groups))]
    inputs: list[list[str]] = [[] for _ in range(len(groups))]
    for number, kernel in enumerate(cost.kernels):
        for group in np.unique(kernel.outputs):
            outputs[group].append(number)
        for group in np.unique(kernel.inputs):
            inputs[group].append(kernel.name)
    families: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    balanced = _balanced_together(groups)
    for group, reason in enumerate(groups.reasons):
        key = balanced.get(group) or " ".join(inputs[group])
        if outputs[group] and not reason:
            layers = () if group in balanced else tuple(outputs[group])
            families.setdefault((key, layers), []).append(group)
    return [_family(members, outputs, cost) for members in families.values()]


def _family(
    members: Sequence[int], outputs: Sequence[Sequence[int]], cost: Cost
) -> Family:
    numbers = dict.fromkeys(number for g in members for number in outputs[g])
    kernels = [cost.kernels[number] for number in numbers]
    size = 1 + max(int(kernel.outputs.max()) for kernel in kernels)
    widths = [np.bincount(k.outputs, minlength=size)[members] for k in kernels]
    layers = tuple(kernel.name for kernel in kernels)
    return Family(np.array(members), layers, np.array(widths))


def _balanced_together(groups: Groups) -> dict[int, str]:
    """Returns a name for the groups that chains of balances bring together."""
    component = {group: group for group in range(len(groups))}
    is_changed = bool(groups.balances)
    members = [np.unique(balance) for balance in groups.balances]
    while is_changed:
        is_changed = False
        for found in members:
            lowest = min(component[group] for group in found)
            for group in found:
                is_changed = is_changed or component[group] != lowest
                component[group] = lowest
    touched = {int(group) for found in members for group in found}
    return {group: f"balance {component[group]}" for group in touched}


def find_units(
    families: Sequence[Family], groups: Groups, scores: np.ndarray, limits: Limits
) -> list[Unit]:
    """Returns what can be taken out, family by family, in the order it has to go.

    Args:
      families: of the model.
      groups: of all channels.
      scores: (number of groups,) how much each matters; larger is more.
      limits: how far to go.
    """
    units = []
    needed = _needed_by_family(families, groups)
    for number, family in enumerate(families):
        balances = [b for b in groups.balances if np.isin(b, family.groups).any()]
        order = np.argsort(scores[family.groups], kind="stable")
        ordered = family.groups[order]
        if balances:
            parts = _balanced_parts(ordered, balances)
        else:
            parts = list(ordered[:, None])
        caps = _caps(family, needed[number], limits)
        round_to = 1 if balances else limits.round_to
        highest = -np.inf
        for part, share in _chunks(parts, caps, round_to):
            highest = max(highest, float(scores[part].mean()))
            units.append(Unit(number, part, highest, share))
    return units


def _needed_by_family(
    families: Sequence[Family], groups: Groups
) -> list[list[np.ndarray]]:
    """Returns the sets of groups of which each family has to keep at least one."""
    family_of = np.full(len(groups), -1)
    for number, family in enumerate(families):
        family_of[family.groups] = number
    needed: list[list[np.ndarray]] = [[] for _ in families]
    for found in groups.needed:
        numbers = family_of[found]
        # Those in no family stay anyway.
        if (numbers >= 0).all():
            owner = int(np.bincount(numbers).argmax())
            needed[owner].append(found[numbers == owner])
    return needed


class _Caps(NamedTuple):
    """How many channels may be taken out of each layer and each set that is needed.

    Args:
      widths: (layers and sets, groups) channels that go with each group.
      most: (layers and sets,) channels that may go.
      num_layers: how many of the rows are layers.
    """

    widths: np.ndarray
    most: np.ndarray
    num_layers: int


def _caps(family: Family, needed: Sequence[np.ndarray], limits: Limits) -> _Caps:
    sizes = family.widths.sum(1)
    pairs = zip(family.layers, sizes, strict=True)
    whole = np.array([limits.whole.get(layer, size) for layer, size in pairs])
    least = np.maximum(limits.min_channels, (1 - limits.max_removed) * whole)
    most = sizes - least
    sets = [np.isin(family.groups, found) for found in needed]
    rows = np.concatenate([family.widths, *(row[None] for row in sets)])
    widths = np.zeros((len(rows), 1 + int(family.groups.max())), int)
    widths[:, family.groups] = rows
    most = np.array([*most, *(row.sum() - 1 for row in sets)])
    return _Caps(widths, most, len(sizes))


def _chunks(
    parts: Sequence[np.ndarray], caps: _Caps, round_to: int
) -> list[tuple[np.ndarray, float]]:
    """Joins parts until what is kept is a multiple; gives the share gone with each."""
    sizes = caps.widths.sum(1)
    total = sizes[: caps.num_layers].sum()
    gone = np.zeros_like(sizes)
    chunks, begun = [], []
    for part in parts:
        then = gone + caps.widths[:, part].sum(1)
        if (then > caps.most).any():
            continue
        begun.append(part)
        gone = then
        if (sizes[0] - gone[0]) % round_to == 0:
            share = float(gone[: caps.num_layers].sum() / total)
            chunks.append((np.concatenate(begun), share))
            begun = []
    return chunks


def _balanced_parts(
    ordered: np.ndarray, balances: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Returns sets of groups that take as many channels from every part of a balance.

    The first that is left is joined by what evens the parts out best, the least
    important of equals, until they are even. What nothing evens out stays.

    Args:
      ordered: groups, the least important first.
      balances: arrays (parts, size) of groups.
    """
    counts, starts = _counts(ordered, balances)
    # Groups of one kind are alike but for their importance: the least of it goes first.
    kinds, of_place = np.unique(counts, axis=1, return_inverse=True)
    places = [np.flatnonzero(of_place == k) for k in range(kinds.shape[1])]
    queues = [deque(found.tolist()) for found in places]
    found = []
    while any(queues):
        first = min((k for k, q in enumerate(queues) if q), key=lambda k: queues[k][0])
        if chosen := _evened(first, queues, kinds, starts):
            found.append(ordered[chosen])
        else:
            queues[first].clear()
    return found


def _evened(
    kind: int, queues: Sequence[deque[int]], kinds: np.ndarray, starts: np.ndarray
) -> list[int]:
    """Takes places from the queues, one of a kind first; none where it cannot be."""
    sizes = np.diff([*starts, len(kinds)])[:, None]
    gone = np.zeros((len(kinds), 1), int)
    taken: list[tuple[int, int]] = []
    while len(taken) <= 4 * len(kinds):
        taken.append((kind, queues[kind].popleft()))
        gone = gone + kinds[:, [kind]]
        if not _unevenness(gone, starts, sizes)[0]:
            return [place for _, place in taken]
        if not (left := [k for k, queue in enumerate(queues) if queue]):
            break
        uneven = _unevenness(gone + kinds[:, left], starts, sizes)
        best = [k for k, u in zip(left, uneven, strict=True) if u == uneven.min()]
        kind = min(best, key=lambda k: queues[k][0])
    for kind, place in reversed(taken):
        queues[kind].appendleft(place)
    return []


def _unevenness(gone: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns how many channels are missing until all parts have lost as many."""
    highest = np.maximum.reduceat(gone, starts, axis=0)
    return np.asarray((highest * sizes).sum(0) - gone.sum(0))


def _counts(
    ordered: np.ndarray, balances: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how often each part has each group, and where each balance starts."""
    highest = max(int(array.max()) for array in (ordered, *balances))
    place = np.full(1 + highest, -1)
    place[ordered] = np.arange(len(ordered))
    parts = [part for balance in balances for part in balance]
    counts = np.zeros((len(parts), len(ordered)), int)
    for row, part in zip(counts, parts, strict=True):
        places = place[part]
        np.add.at(row, places[places >= 0], 1)
    starts = np.cumsum([0, *(len(balance) for balance in balances[:-1])])
    return counts, starts
