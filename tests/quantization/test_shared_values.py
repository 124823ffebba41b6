import numpy as np
import pytest

from tfcompress.quantization.shared_values import (
    WeightCounts,
    find_leaders,
    find_sharing,
)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_layer(*shape, num_values=5):
    steps = np.arange(np.prod(shape)) % num_values
    return (steps.reshape(shape) - 2).astype(np.float32)


def by_channel(*shape, num_values=5):
    return by_layer(*shape, num_values=num_values) * random(shape[-1])


def test_zeros_and_values_are_counted_with_zero_as_one_value():
    kernel = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 3.0]])
    assert WeightCounts.of(kernel, 1) == WeightCounts(6, 2, 4, 2)
    assert WeightCounts.of(kernel, 0) == WeightCounts(6, 2, 4, 4)
    # Two axes of channels, as of a depthwise kernel: each has two weights.
    assert WeightCounts.of(kernel.reshape(2, 3, 1), 2) == WeightCounts(6, 2, 4, 2)


def test_minus_zero_is_zero():
    assert WeightCounts.of(np.array([[0.0], [-0.0]]), 1) == WeightCounts(2, 2, 1, 1)


@pytest.mark.parametrize(
    ("later", "sharing", "lost"),
    [
        (WeightCounts(9, 4, 3, 2), "layer", ""),
        (WeightCounts(9, 3, 3, 2), None, "1 of 4 zeros"),
        (WeightCounts(9, 4, 5, 2), "channel", ""),
        (WeightCounts(9, 4, 5, 2), "layer", "its 3 values, and has 5"),
        (WeightCounts(9, 4, 3, 3), "channel", "its 2 values a channel, and has 3"),
    ],
)
def test_fewer_zeros_or_more_values_are_a_loss(later, sharing, lost):
    assert WeightCounts(9, 4, 3, 2).lost(later, sharing) == lost


@pytest.mark.parametrize(
    ("kernel", "sharing"),
    [
        (random(3, 3, 8, 16), None),
        (np.where(random(3, 3, 8, 16) > 0.5, random(3, 3, 8, 16, seed=1), 0), None),
        (np.full((3, 3, 1, 4), 1 / 9), None),
        (np.zeros((3, 3, 1, 4)), None),
        (np.arange(512.0).repeat(2).reshape(16, 64), None),
        (by_layer(3, 3, 8, 16), "layer"),
        (by_layer(64, 10), "layer"),
        (by_channel(5, 5, 4, 256), "channel"),
        (by_channel(3, 3, 1, 8), "channel"),
    ],
    ids=[
        "random",
        "pruned",
        "equal",
        "zero",
        "512",
        "layer",
        "dense",
        "channel",
        "few",
    ],
)
def test_a_few_values_that_recur_are_found(kernel, sharing):
    assert find_sharing(kernel.astype(np.float32), 1) == sharing


@pytest.mark.parametrize("sharing", ["layer", "channel"])
def test_a_leader_has_the_value_of_those_it_leads(sharing):
    kernel = by_channel(3, 3, 2, 4)
    leaders = find_leaders(kernel, 1, sharing)
    np.testing.assert_array_equal(kernel.ravel()[leaders], kernel)
    channels = np.arange(4)
    if sharing == "channel":
        np.testing.assert_array_equal(
            leaders % 4, np.broadcast_to(channels, (3, 3, 2, 4))
        )
    num_leaders = {"layer": np.unique(kernel).size, "channel": 4 * 5}[sharing]
    assert np.unique(leaders).size == num_leaders


def test_the_first_of_each_value_leads():
    kernel = np.array([[3.0, 1.0], [1.0, 3.0]])
    np.testing.assert_array_equal(find_leaders(kernel, 1, "layer"), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(find_leaders(kernel, 1, "channel"), [[0, 1], [2, 3]])
