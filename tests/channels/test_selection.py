import numpy as np
import pytest

from tfcompress.channels.families import Unit
from tfcompress.channels.selection import select


def units(*costs, families=None):
    """Returns a unit a group; what it costs is told by `measure`."""
    families = families or range(len(costs))
    return [
        Unit(family, np.array([number]), float(number), 0.0)
        for number, family in enumerate(families)
    ]


def cost_of(*costs):
    return lambda keep: float(np.dot(keep, costs))


def kept(costs, target, families=None):
    found = select(
        units(*costs, families=families), len(costs), cost_of(*costs), target
    )
    return np.flatnonzero(found).tolist()


@pytest.mark.parametrize(
    ("target", "expected"),
    [(90, range(1, 10)), (50, range(5, 10)), (10, [9]), (1, [])],
)
def test_units_go_in_their_order_until_the_target_is_met(target, expected):
    assert kept([10] * 10, target) == list(expected)


def test_near_the_target_a_unit_that_leads_too_far_is_passed_over():
    # Of 100, 40 are wanted. Without the first 50 are left, and without the second
    # 20; one of the small ones leads to 40.
    assert kept([50, 30, 10, 10], 40) == [1, 3]


def test_of_a_family_what_comes_after_is_passed_over_too():
    # The third is of the family of the second, which must go before it.
    assert kept([50, 30, 10, 10], 40, families=[0, 1, 1, 2]) == [1, 2]


def test_where_nothing_lands_between_the_first_below_is_taken():
    assert kept([40, 60], 50) == [1] or kept([40, 60], 50) == []
    assert kept([60, 40], 50) == [1]


def test_all_units_together_may_not_be_enough():
    found = select(units(1, 1)[:1], 2, cost_of(10, 90), 50)
    assert found.tolist() == [False, True]
    assert select([], 2, cost_of(10, 90), 50).all()


def test_random_costs_land_within_two_percent_of_the_whole():
    random = np.random.default_rng(0)
    for _ in range(20):
        costs = random.uniform(0.5, 1.5, 300)
        target = random.uniform(0.2, 0.9) * costs.sum()
        found = select(units(*costs), 300, cost_of(*costs), target)
        assert target - 0.02 * costs.sum() <= costs[found].sum() <= target


def test_nothing_goes_where_the_target_is_met_already():
    assert kept([10] * 5, 50) == [0, 1, 2, 3, 4]
    assert kept([10] * 5, 70) == [0, 1, 2, 3, 4]
