"""Which channels to take out, so that what is left costs what it should."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tfcompress.channels.families import Unit

# Of what the whole model costs: how far below the target a result may lie.
TOLERANCE = 0.02
Measure = Callable[[np.ndarray], float]


def select(
    units: Sequence[Unit],
    num_groups: int,
    measure: Measure,
    target: float,
    lowest: float | None = None,
) -> np.ndarray:
    """Takes units out, in their order, until the model costs what it should.

    Near the target, units that would lead too far below it are passed over, and with
    them those of the same family that come after.

    Args:
      units: in the order in which they should go; of one family in their own order.
      num_groups: of channels.
      measure: returns the cost of a model from (number of groups,) whether each stays;
        it does not rise where less is kept.
      target: cost that is to be reached from above.
      lowest: cost that a result should not be below; None is 2 % of the whole's cost
        below the target.

    Returns:
      (number of groups,) whether each stays. The cost is above the target where all
      units together do not reach it, and further below where nothing lands between.
    """

    def keep(number: int) -> np.ndarray:
        kept = np.ones(num_groups, bool)
        for unit in units[:number]:
            kept[unit.groups] = False
        return kept

    if measure(keep(0)) <= target:
        return keep(0)
    first, last = 0, len(units)  # measure(first) > target
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (
            (middle, last) if measure(keep(middle)) > target else (first, middle)
        )
    kept = keep(first)
    if lowest is None:
        lowest = target - TOLERANCE * measure(keep(0))
    passed: set[int] = set()
    for unit in units[first:]:
        trial = kept.copy()
        trial[unit.groups] = False
        cost = measure(trial)
        if unit.family in passed or cost < lowest:
            passed.add(unit.family)
            continue
        kept = trial
        if cost <= target:
            return kept
    return keep(last)
