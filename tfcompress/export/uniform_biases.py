"""A converter's mistake with biases that are the same in every channel, avoided."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tf_keras as keras

# Smaller than half a step of an int32 bias, and larger than what float32 rounds off.
_NUDGE = 1e-6


@contextmanager
def no_uniform_biases(model: keras.Model) -> Iterator[None]:
    """Makes biases whose elements are all equal differ by a millionth meanwhile.

    The converter stores a constant of equal elements as one number, and rounds that
    number by the scale of the first channel alone: in a file with a scale for each
    channel, all other channels then have a wrong bias. The 3 of a hard sigmoid, folded
    into a convolution that had no bias of its own, is such a constant.

    Args:
      model: its biases, and the `beta` of its BatchNormalization layers, are changed
        while the context lasts.
    """
    changed: list[tuple[Any, np.ndarray]] = []
    try:
        for layer in model.layers:
            inside = getattr(layer, "layer", layer)
            for attribute in ("bias", "beta"):
                variable: Any = getattr(inside, attribute, None)
                if variable is None:
                    continue
                values = variable.numpy()
                if values.size > 1 and values.any() and np.ptp(values) == 0:
                    changed.append((variable, values))
                    nudged = values.copy()
                    nudged.flat[0] *= 1 + _NUDGE
                    variable.assign(nudged)
        yield
    finally:
        for variable, values in changed:
            variable.assign(values)
