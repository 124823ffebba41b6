"""The Pareto front: what nothing else beats in one respect without losing another."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfcompress.errors import InvalidArgumentError


def pareto_front(
    points: Sequence[Sequence[float | None]], larger_is_better: Sequence[bool]
) -> list[bool]:
    """Says of each point whether it is on the Pareto front.

    A point is off the front if another is at least as good on every axis, and better on
    one. Equal points do not beat each other. A point with an unknown value (None, NaN)
    can be compared with nothing: it is not on the front, and keeps no other off it.

    Args:
      points: one value an axis each.
      larger_is_better: for each axis, whether more of it is better.

    Raises:
      InvalidArgumentError: there are no axes, or a point has another number of them.

    Example:
      >>> pareto_front([(0.9, 100), (0.8, 200), (0.95, 300)], (True, False))
      [True, False, True]
    """
    num_axes = len(larger_is_better)
    if not num_axes or any(len(point) != num_axes for point in points):
        raise InvalidArgumentError(
            f"points have {sorted({len(point) for point in points})} values for "
            f"{num_axes} axes; expected one value an axis, and at least one axis"
        )
    losses = [_losses(point, larger_is_better) for point in points]
    known = [loss for loss in losses if loss is not None]
    return [
        loss is not None and not any(_beats(other, loss) for other in known)
        for loss in losses
    ]


def _losses(
    point: Sequence[float | None], larger_is_better: Sequence[bool]
) -> tuple[float, ...] | None:
    """Returns the point with the smallest value best on every axis; None if unknown."""
    losses = []
    for value, larger in zip(point, larger_is_better, strict=True):
        if value is None or math.isnan(value):
            return None
        losses.append(-value if larger else value)
    return tuple(losses)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
