"""Which range of values 256 steps should cover, given how often each value occurs."""

from __future__ import annotations

import numpy as np

_NUM_STEPS = 255
# What is tried of either end, as shares of it.
_SHARES = np.linspace(0.1, 1.0, 91)


def percentile_range(
    counts: np.ndarray, edges: np.ndarray, percentile: float
) -> tuple[float, float]:
    """Returns the range outside of which, at either end, few values lie.

    Args:
      counts: how many values each bin holds, `(num_bins,)`.
      edges: of the bins, ascending, `(num_bins + 1,)`.
      percentile: share of the values, in percent, that is not above the range, and
        that is not below it.

    Returns:
      The smallest and the largest value; 0 lies between them.
    """
    # A hair more, for fractions that floating point has none for.
    outside = counts.sum() * (1 - percentile / 100) * (1 + 1e-9)
    low = edges[:-1][np.cumsum(counts) > outside][0]
    high = edges[1:][np.cumsum(counts[::-1])[::-1] > outside][-1]
    return min(float(low), 0.0), max(float(high), 0.0)


def mse_range(counts: np.ndarray, edges: np.ndarray) -> tuple[float, float]:
    """Returns the range that loses least by rounding inside and cutting off outside.

    A value inside is as likely anywhere between two steps, so that rounding costs a
    twelfth of a step squared; 0 costs nothing, as it is always a step.

    Args:
      counts: how many values each bin holds, `(num_bins,)`.
      edges: of the bins, ascending, `(num_bins + 1,)`; 0 is not outside of them.

    Returns:
      The smallest and the largest value: each is 10 to 100 % of the outermost edge.

    References:
      Banner et al., Post training 4-bit quantization of convolutional networks,
      arXiv:1810.05723, equation 5, for any distribution.
    """
    values = (edges[:-1] + edges[1:]) / 2
    lows, highs = np.unique(edges[0] * _SHARES), np.unique(edges[-1] * _SHARES)
    below = np.maximum(lows[:, np.newaxis] - values, 0) ** 2 @ counts
    above = np.maximum(values - highs[:, np.newaxis], 0) ** 2 @ counts
    rounded = counts[(edges[1:] <= 0) | (edges[:-1] > 0)].sum()
    steps = (highs - lows[:, np.newaxis]) / _NUM_STEPS
    errors = rounded * steps**2 / 12 + below[:, np.newaxis] + above
    low, high = np.unravel_index(np.argmin(errors), errors.shape)
    return float(lows[low]), float(highs[high])
