"""Calibration error: whether a model is as often right as it is sure."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.errors import InvalidArgumentError

NUM_BINS = 15
_SUM_TOLERANCE = 0.1
_ROUNDING = 1e-5

Floats = npt.NDArray[np.floating[Any]]


def expected_calibration_error(
    confidence: Floats, is_right: npt.NDArray[np.bool_], num_bins: int = NUM_BINS
) -> float:
    """Returns the mean distance between confidence and accuracy, weighted by examples.

    With `B_m` the examples whose confidence is in `((m - 1) / M, m / M]`:

        ECE = sum over m of |B_m| / n * |accuracy(B_m) - mean confidence(B_m)|

    Args:
      confidence: probability of the predicted class, in [0, 1], shape
        `(num_examples,)`.
      is_right: whether the predicted class is the label, of the same shape.
      num_bins: M, of equal width.

    Returns:
      A number in [0, 1]; 0 is perfectly calibrated.

    Raises:
      InvalidArgumentError: shapes differ or are empty, or a confidence is outside
        [0, 1].

    References:
      Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599, eq. 3.
    """
    if confidence.ndim != 1 or confidence.shape != is_right.shape or not is_right.size:
        raise InvalidArgumentError(
            f"confidence has the shape {confidence.shape} and is_right "
            f"{is_right.shape}; expected two equal ones (num_examples,), not empty"
        )
    if not np.all((confidence >= 0) & (confidence <= 1)):
        raise InvalidArgumentError(
            "confidences are outside [0, 1] or NaN; expected probabilities: take the "
            "softmax of logits first"
        )
    edges = np.arange(1, num_bins) / num_bins
    bins = np.digitize(confidence, edges, right=True)
    surplus = np.bincount(bins, is_right.astype(float) - confidence, num_bins)
    return float(np.abs(surplus).sum() / len(confidence))


def confidence_of(outputs: Floats) -> Floats:
    """Returns the probability of the predicted class, for logits by their softmax.

    Args:
      outputs: logits or probabilities, finite, shape `(num_examples, num_classes)`.

    Returns:
      Numbers in [0, 1], shape `(num_examples,)`.
    """
    largest = outputs.max(axis=1)
    if are_probabilities(outputs):
        return np.minimum(largest, 1)
    powers = np.exp(outputs - largest[:, np.newaxis])
    return 1 / powers.sum(axis=1, dtype=np.float64)


def are_probabilities(outputs: Floats) -> bool:
    """Returns whether outputs come from a softmax already.

    They are taken for probabilities where all are in [0, 1] and the sums for one
    example are 1, but for a tenth on average: those of an int8 file are rounded.
    """
    if outputs.min() < 0 or outputs.max() > 1 + _ROUNDING:
        return False
    return bool(np.abs(outputs.sum(axis=1) - 1).mean() <= _SUM_TOLERANCE)
