"""Activations, reductions, pooling and resizing, as layers.

A function here takes the arguments of an operation, by the names they have in
`translate.py`, and returns what it amounts to; a ModelError says with what arguments
it cannot be done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.layers.hard_swish import HardSigmoid, HardSwish
from tfcompress.layers.tanh_gelu import TanhGelu
from tfcompress.loading.operations.expression import (
    UNKNOWN_SIZE,
    Call,
    Expression,
    Value,
    affine,
    inner_axis,
    product,
    reshaped,
)


def activation(name: str) -> Callable[[Value], Expression]:
    """Returns what makes an Activation layer of one of Keras' functions."""

    def activate(x: Value) -> Expression:
        return Call(keras.layers.Activation, x, {"activation": name})

    return activate


def relu(x: Value) -> Expression:
    """Returns `max(x, 0)`."""
    return Call(keras.layers.ReLU, x)


def relu6(x: Value) -> Expression:
    """Returns `min(max(x, 0), 6)`."""
    return Call(keras.layers.ReLU, x, {"max_value": 6.0})


def leaky_relu(x: Value, negative_slope: float = 0.2) -> Expression:
    """Returns `max(x, slope * x)`."""
    return Call(keras.layers.LeakyReLU, x, {"alpha": float(negative_slope)})


def elu(x: Value, alpha: float = 1.0) -> Expression:
    """Returns `x` where it is positive, else `alpha * (exp(x) - 1)`."""
    return Call(keras.layers.ELU, x, {"alpha": float(alpha)})


def gelu(x: Value, approximate: bool = False) -> Expression:
    """Returns `x P(X <= x)`, exact or by its approximation."""
    return Call(TanhGelu, x) if approximate else activation("gelu")(x)


def softmax(x: Value, axis: Any = -1) -> Expression:
    """Returns exponentials that sum to one along an axis."""
    at = inner_axis(-1 if axis is None else axis, len(x.shape))
    if at == len(x.shape) - 1:
        return activation("softmax")(x)
    return Call(keras.layers.Softmax, x, {"axis": at})


def hard_sigmoid(x: Value) -> Expression:
    """Returns Keras 3's `relu6(x + 3) / 6`."""
    return Call(HardSigmoid, x)


def hard_swish(x: Value) -> Expression:
    """Returns `x * relu6(x + 3) / 6`."""
    return Call(HardSwish, x)


def normalize(
    x: Value, axis: Any = -1, order: int = 2, epsilon: float | None = None
) -> Expression:
    """Returns a tensor of length 1 along an axis."""
    if order != 2 or (epsilon or 0.0) > 1e-6:
        raise ModelError(f"of order {order!r:.80} with epsilon {epsilon!r:.80}")
    axes = [inner_axis(a, len(x.shape)) for a in np.atleast_1d(axis).tolist()]
    return Call(keras.layers.UnitNormalization, x, {"axis": axes})


def mean(x: Value, axis: Any = None, keepdims: bool = False) -> Expression:
    """Returns the mean along some axes."""
    return _reduced("Average", x, axis, keepdims)


def maximum_of(x: Value, axis: Any = None, keepdims: bool = False) -> Expression:
    """Returns the largest value along some axes."""
    return _reduced("Max", x, axis, keepdims)


def sum_of(x: Value, axis: Any = None, keepdims: bool = False) -> Expression:
    """Returns the sum along some axes."""
    count = product([x.shape[a] for a in _axes(x, axis)])
    if count is None:
        raise ModelError(UNKNOWN_SIZE)
    return affine(_reduced("Average", x, axis, keepdims), float(count), 0.0)


def _axes(x: Value, axis: Any) -> list[int]:
    # Without an axis all are meant, the batch too.
    axes = range(len(x.shape)) if axis is None else np.atleast_1d(axis).tolist()
    return sorted({inner_axis(a, len(x.shape)) for a in axes})


def _reduced(kind: str, x: Value, axis: Any, keepdims: Any) -> Expression:
    """Returns the averages or largest values along axes that lie side by side."""
    axes, rank = _axes(x, axis), len(x.shape)
    if axes == [*range(1, rank - 1)] and rank in (3, 4):
        layer = getattr(keras.layers, f"Global{kind}Pooling{rank - 2}D")
        return Call(layer, x, {"keepdims": bool(keepdims)})
    first, last = axes[0], axes[-1]
    count = product(x.shape[first : last + 1])
    if len(axes) != last - first + 1 or count is None:
        raise ModelError("along axes that are not side by side or of unknown size")
    before, after = x.shape[1:first], x.shape[last + 1 :]
    image = reshaped(x, [product(before), count, product(after)])
    layer = getattr(keras.layers, f"{kind}Pooling2D")
    pooled = Call(layer, image, {"pool_size": (1, count)})
    ones = (1,) * len(axes) if keepdims else ()
    sizes = (*before, *ones, *after)
    # Pooled as they stand, three axes are as they have to be.
    kept = isinstance(image, Value) and keepdims
    return pooled if kept else reshaped(pooled, sizes)


def pool(kind: str) -> Callable[..., Expression]:
    """Returns what makes a pooling layer, `Average` or `Max`."""
    return partial(_pooled, kind)


def _pooled(
    kind: str,
    x: Value,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
) -> Expression:
    size = _window(pool_size)
    options = {
        "pool_size": size,
        "strides": size if strides is None else _window(strides),
        "padding": str(padding).lower(),
    }
    if len(x.shape) != 4:
        raise ModelError("on something else than images")
    return Call(getattr(keras.layers, f"{kind}Pooling2D"), x, options)


def _window(size: Any) -> list[int]:
    """Returns height and width; TensorFlow may give batch and channels too."""
    sizes: Sequence[int] = np.atleast_1d(size).tolist()
    if len(sizes) == 4 and sizes[0] == sizes[3] == 1:
        sizes = sizes[1:3]
    if len(sizes) not in (1, 2):
        raise ModelError(f"with a window of {size!r:.80}")
    return [sizes[0], sizes[-1]]


def resize(
    x: Value,
    size: Sequence[Any],
    interpolation: str = "bilinear",
) -> Expression:
    """Returns an image of another height and width."""
    if None in size:
        raise ModelError(UNKNOWN_SIZE)
    height, width = (int(side) for side in size)
    if min(height, width) < 1:
        raise ModelError("to a height or width below 1")
    options = {"height": height, "width": width, "interpolation": interpolation}
    return Call(keras.layers.Resizing, x, options)
