"""Arithmetic on tensors and constants, as layers.

A function here takes the arguments of an operation, by the names they have in
`translate.py`, and returns what it amounts to; a ModelError says with what arguments
it cannot be done.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.layers.divide import Divide
from tfcompress.layers.matrix_product import MatrixProduct
from tfcompress.loading.operations.expression import (
    Call,
    Expression,
    Value,
    affine,
    with_constant,
)

# One size, or those of several axes.
Sizes = int | list[int]


def add(x1: Any, x2: Any) -> Expression | Sizes:
    """Returns the sum."""
    if not isinstance(x1, Value):
        x1, x2 = x2, x1
    if not isinstance(x1, Value):
        return _of_sizes(operator.add, x1, x2)
    if isinstance(x2, Value):
        return _merged(keras.layers.Add, x1, x2)
    return with_constant(x1, x2, lambda x, number: affine(x, 1.0, number))


def subtract(x1: Any, x2: Any) -> Expression | Sizes:
    """Returns the difference."""
    if isinstance(x1, Value) and isinstance(x2, Value):
        return _merged(keras.layers.Subtract, x1, x2)
    if isinstance(x1, Value):
        return with_constant(x1, x2, lambda x, number: affine(x, 1.0, -number))
    if isinstance(x2, Value):
        return with_constant(x2, x1, lambda x, number: affine(x, -1.0, number))
    return _of_sizes(operator.sub, x1, x2)


def multiply(x1: Any, x2: Any) -> Expression | Sizes:
    """Returns the product."""
    if not isinstance(x1, Value):
        x1, x2 = x2, x1
    if not isinstance(x1, Value):
        return _of_sizes(operator.mul, x1, x2)
    if isinstance(x2, Value):
        return _merged(keras.layers.Multiply, x1, x2)
    return with_constant(x1, x2, lambda x, number: affine(x, number, 0.0))


def divide(x1: Any, x2: Any) -> Expression:
    """Returns the quotient."""
    if not isinstance(x1, Value):
        raise ModelError("with a constant as the dividend")
    if isinstance(x2, Value):
        return _merged(Divide, x1, x2)
    if not np.all(x2):
        raise ModelError("with zero as the divisor")
    return with_constant(x1, x2, lambda x, number: affine(x, 1.0 / number, 0.0))


def matmul(x1: Any, x2: Any) -> Expression:
    """Returns the products of the matrices in the last two axes."""
    return transposing_matmul(x1, x2)


def transposing_matmul(x1: Any, x2: Any, transpose_b: bool = False) -> Expression:
    """Returns the products; the second matrices may be given by their transposes."""
    if not (isinstance(x1, Value) and isinstance(x2, Value)):
        raise ModelError("with a constant")
    if not len(x1.shape) == len(x2.shape) > 2 or x1.shape[1:-2] != x2.shape[1:-2]:
        raise ModelError(f"with tensors of shapes {x1.shape} and {x2.shape}")
    return Call(MatrixProduct, [x1, x2], {"transpose_b": bool(transpose_b)})


def floor_divide(x1: Any, x2: Any) -> Sizes:
    """Returns the quotient of sizes, which is whole."""
    return _of_sizes(operator.floordiv, x1, x2)


def add_all(xs: Sequence[Value]) -> Expression:
    """Returns the sum of several tensors."""
    if not all(isinstance(x, Value) and x.shape == xs[0].shape for x in xs):
        raise ModelError("with something else than tensors of one shape")
    return Call(keras.layers.Add, xs) if len(xs) > 1 else xs[0]


def negative(x: Value) -> Expression:
    """Returns `-x`."""
    return affine(x, -1.0, 0.0)


def absolute(x: Value) -> Expression:
    """Returns `max(x, -x)`."""
    return Call(keras.layers.Maximum, [x, affine(x, -1.0, 0.0)])


def power(x1: Value, x2: Any) -> Expression:
    """Returns a small whole power."""
    exponent = np.asarray(x2).tolist() if not isinstance(x2, Value) else None
    if exponent not in (2, 3, 4):
        raise ModelError("with an exponent other than 2, 3 or 4")
    return Call(keras.layers.Multiply, [x1] * int(exponent))


def square(x: Value) -> Expression:
    """Returns `x * x`."""
    return power(x, 2)


def maximum(x1: Any, x2: Any) -> Expression:
    """Returns the larger, element by element."""
    if not isinstance(x1, Value):
        x1, x2 = x2, x1
    if isinstance(x2, Value):
        return _merged(keras.layers.Maximum, x1, x2)
    return with_constant(x1, x2, _larger)


def minimum(x1: Any, x2: Any) -> Expression:
    """Returns the smaller, element by element."""
    if not isinstance(x1, Value):
        x1, x2 = x2, x1
    if isinstance(x2, Value):
        return _merged(keras.layers.Minimum, x1, x2)
    return with_constant(x1, x2, _smaller)


def clip(x: Value, x_min: Any, x_max: Any) -> Expression:
    """Returns the nearest number between two bounds."""
    low, high = (float(np.asarray(bound)) for bound in (x_min, x_max))
    if not low < high:
        raise ModelError(f"with bounds {low} and {high}")
    if np.isinf(high):
        return maximum(x, low)
    if np.isinf(low):
        return minimum(x, high)
    given = affine(x, 1.0, -low) if low else x
    between = Call(keras.layers.ReLU, given, {"max_value": high - low})
    return affine(between, 1.0, low) if low else between


def scaled_sum(xs: Sequence[Value], scale: float) -> Expression:
    """Returns `xs[0] + scale * xs[1]`: CustomScaleLayer of InceptionResNetV2."""
    shortcut, branch = xs
    return Call(keras.layers.Add, [shortcut, affine(branch, scale, 0.0)])


def _larger(x: Expression, bound: np.ndarray) -> Expression:
    if not bound.any():
        return Call(keras.layers.ReLU, x)
    return affine(Call(keras.layers.ReLU, affine(x, 1.0, -bound)), 1.0, bound)


def _smaller(x: Expression, bound: np.ndarray) -> Expression:
    return affine(Call(keras.layers.ReLU, affine(x, -1.0, bound)), -1.0, bound)


def _merged(layer: type[keras.layers.Layer], x1: Value, x2: Value) -> Call:
    # Keras would take the batch of the shorter one for the batch, TensorFlow not.
    if len(x1.shape) != len(x2.shape):
        raise ModelError(f"with tensors of shapes {x1.shape} and {x2.shape}")
    return Call(layer, [x1, x2])


def _of_sizes(function: Callable[[Any, Any], Any], x1: Any, x2: Any) -> Sizes:
    """Calculates with sizes that `tf.shape` gave; that of an open batch is -1."""
    sizes = [np.asarray(x) for x in (x1, x2)]
    if not all(x.dtype.kind == "i" and (x >= 0).all() for x in sizes):
        raise ModelError("with no tensor, or with a size that is not known")
    result: Sizes = function(*sizes).tolist()
    return result
