import numpy as np
import pytest
import tensorflow as tf

from tfcompress.quantization.ranges import mse_range, percentile_range

EDGES = np.linspace(-2.0, 3.0, 11)  # bins of 0.5


def test_percentiles_are_the_outer_edges_of_the_bins():
    counts = np.array([1, 0, 9, 20, 20, 20, 20, 9, 0, 1])
    assert percentile_range(counts, EDGES, 100) == (-2.0, 3.0)
    # One value in a hundred lies in the last bin, and one in the first.
    assert percentile_range(counts, EDGES, 99) == (-1.0, 2.0)
    # Ten lie in the last three bins.
    assert percentile_range(counts, EDGES, 90) == (-0.5, 1.5)


def test_zero_is_always_inside():
    ends = np.array([0.0, 1, 2, 3])
    assert percentile_range(np.array([0, 1, 1]), ends, 99) == (0, 3)
    assert percentile_range(np.array([1, 1, 0]), ends - 3, 99) == (-3, 0)


def error(values, low, high):
    """Mean squared error of fake quantization, which shifts ranges to hold a 0."""
    rounded = tf.quantization.fake_quant_with_min_max_args(values, low, high)
    return np.mean((rounded - values) ** 2)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_range_tried_has_a_smaller_squared_error(seed):
    values = np.random.default_rng(seed).normal(size=400_000).astype("float32")
    values[:3] = -8, 10, 16
    counts, edges = np.histogram(values, 2048)
    found = mse_range(counts, edges)
    least = error(values, *found)
    for low in (0.2, 0.4, 0.6, 0.8, 1.0):
        for high in (0.2, 0.4, 0.6, 0.8, 1.0):
            # A hundredth for what rounding is taken to cost.
            assert least <= error(values, -8 * low, 16 * high) * 1.01
    assert found[1] < 16
    assert least < 0.9 * error(values, -8, 16)


def test_what_has_one_sign_keeps_its_zero():
    counts = np.array([5 * 10**8, 10**6, 10**6, 0, 1])
    low, high = mse_range(counts, np.linspace(0, 5, 6))
    # The zeros, and what else is in their bin, count for nothing. To cut off at h costs
    # (4.5 - h)^2 once, and 2 * 10^6 / 12 / 255^2 h^2 = 2.56 h^2: least at 4.5 / 3.56.
    # That would cut off 10^6 values of 1.5 and of 2.5: so h is no less than 2.5.
    assert (low, high) == (0.0, 2.5)


def test_zeros_count_for_nothing():
    edges = np.linspace(0, 1, 11)
    counts = np.array([0, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    with_zeros = counts.copy()
    with_zeros[0] = 10**9
    assert mse_range(with_zeros, edges) == mse_range(counts, edges)
