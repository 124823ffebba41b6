import itertools
import math
import random

import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.reporting.pareto import pareto_front

# Accuracy, of which more is better, and bytes, of which fewer are.
AXES = (True, False)


@pytest.mark.parametrize(
    ("points", "front"),
    [
        # The second is less accurate and larger than the first.
        ([(0.9, 100), (0.8, 200), (0.95, 300)], [True, False, True]),
        # As accurate, but larger; as large, but less accurate.
        ([(0.9, 100), (0.9, 101), (0.89, 100)], [True, False, False]),
        # Equal points do not beat each other, and are beaten together.
        ([(0.9, 100), (0.9, 100)], [True, True]),
        ([(0.9, 100), (0.9, 100), (0.91, 100)], [False, False, True]),
        ([(0.9, 0.0), (0.9, -0.0)], [True, True]),
        # What is not known is not on the front, and keeps nothing off it.
        ([(0.9, 100), (None, 1), (0.8, 200)], [True, False, False]),
        ([(0.9, 100), (1.0, math.nan)], [True, False]),
        ([(None, None)], [False]),
        ([(0.9, math.inf), (0.8, 1)], [True, True]),
        ([(0.5, 1)], [True]),
        ([], []),
    ],
)
def test_front_of_accuracy_and_bytes(points, front):
    assert pareto_front(points, AXES) == front


def test_one_axis_leaves_the_best_and_its_equals():
    assert pareto_front([(3,), (1,), (2,), (1,)], (False,)) == [
        False,
        True,
        False,
        True,
    ]


def test_three_axes():
    points = [(1, 9, 9), (9, 1, 9), (9, 9, 1), (9, 9, 9), (1, 9, 8)]
    front = [False, True, True, False, True]
    assert pareto_front(points, (False, False, False)) == front


def test_the_front_beats_all_else_and_nothing_in_it():
    draw = random.Random(0)
    points = [(draw.randrange(6), draw.randrange(6)) for _ in range(40)]
    front = pareto_front(points, AXES)

    def beats(one, other):
        return one != other and one[0] >= other[0] and one[1] <= other[1]

    best = {point for point, on in zip(points, front, strict=True) if on}
    rest = [point for point, on in zip(points, front, strict=True) if not on]
    assert not any(beats(*pair) for pair in itertools.permutations(best, 2))
    assert rest
    assert all(any(beats(one, point) for one in best) for point in rest)


@pytest.mark.parametrize(("points", "axes"), [([(1, 2)], (True,)), ([], ())])
def test_points_that_do_not_fit_the_axes_are_refused(points, axes):
    with pytest.raises(InvalidArgumentError, match="expected one value an axis"):
        pareto_front(points, axes)
