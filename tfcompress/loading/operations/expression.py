"""What an operation amounts to: layers called with layers called with tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.naming import snake_case
from tfcompress.rewriting.graph import Graph, Tensor
from tfcompress.rewriting.shapes import Shape

# Why an operation cannot be done where the size of an image is open.
UNKNOWN_SIZE = "on an axis of unknown size: give the input a fixed shape"


class Value(NamedTuple):
    """A tensor of the graph and its shape, with the batch first."""

    tensor: Tensor
    shape: Shape


class Call(NamedTuple):
    """A layer, called with one value or a list of them.

    Args:
      layer: class of the layer.
      given: what it is called with.
      options: arguments of its constructor.
    """

    layer: type[keras.layers.Layer]
    given: Value | Call | Sequence[Value | Call]
    options: Mapping[str, Any] = {}


Expression = Value | Call


def place(graph: Graph, expression: Expression, name: str) -> Tensor:
    """Adds the layers of an expression; the outermost is the one that is named."""
    if isinstance(expression, Value):
        return expression.tensor
    layer, given, options = expression
    if isinstance(given, (Value, Call)):
        inputs: Any = place(graph, given, _inner_name(name, given))
    else:
        inputs = [place(graph, part, _inner_name(name, part)) for part in given]
    return graph.add(layer(name=graph.free_name(name), **options), inputs).output


def _inner_name(name: str, part: Expression) -> str:
    kind = "" if isinstance(part, Value) else part.layer.__name__
    return f"{name}_{snake_case(kind)}"


def positive_axis(axis: Any, rank: int) -> int:
    """Returns an axis counted from the first one.

    Raises:
      ModelError: there is no such axis.
    """
    if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
        raise ModelError(f"with axis {axis!r:.80} of a tensor of {rank} axes")
    return axis % rank


def inner_axis(axis: Any, rank: int) -> int:
    """Returns an axis counted from the first one, which is not the batch.

    Raises:
      ModelError: it is the batch, or there is no such axis.
    """
    found = positive_axis(axis, rank)
    if found == 0:
        raise ModelError("across the images of a batch")
    return found


def known_size(value: Value, axis: int) -> int:
    """Returns the size of an axis.

    Raises:
      ModelError: it is not known before a call.
    """
    found = value.shape[axis]
    if found is None:
        raise ModelError(UNKNOWN_SIZE)
    return found


def product(sizes: Sequence[int | None]) -> int | None:
    """Returns the number of values of a part of a shape; None if it is not known."""
    return math.prod(s for s in sizes if s is not None) if None not in sizes else None


def reshaped(given: Expression, sizes: Sequence[int | None]) -> Expression:
    """Returns a value with other sizes behind the batch.

    Raises:
      ModelError: more than one of them is not known.
    """
    if isinstance(given, Value) and given.shape[1:] == tuple(sizes):
        return given
    target = [-1 if s is None else s for s in sizes]
    if target.count(-1) > 1:
        raise ModelError(UNKNOWN_SIZE)
    return Call(keras.layers.Reshape, given, {"target_shape": target})


def affine(given: Expression, scale: Any, offset: Any) -> Call:
    """Returns `given * scale + offset`, each a number or one a channel."""
    options = {"scale": np.asarray(scale), "offset": np.asarray(offset)}
    if not all(np.isfinite(number).all() for number in options.values()):
        raise ModelError("with a number that is not finite")
    plain = {key: number.tolist() for key, number in options.items()}
    return Call(keras.layers.Rescaling, given, plain)


def with_constant(
    value: Value,
    constant: Any,
    compute: Callable[[Expression, np.ndarray], Expression],
) -> Expression:
    """Returns what a function makes of a value and a constant.

    Args:
      value: a tensor.
      constant: takes the shape of the tensor.
      compute: is given the value, and one number or one for each channel. What differs
        along other axes is one for each channel of the value as one flat vector.

    Raises:
      ModelError: the constant has another shape, or is none of numbers.
    """
    numbers = np.asarray(constant)
    if numbers.dtype.kind not in "biuf":
        raise ModelError("with something else than numbers")
    numbers = numbers.astype(np.float64)
    rank, channels = len(value.shape), value.shape[-1]
    if numbers.size == 1 and numbers.ndim <= rank:
        return compute(value, numbers.reshape(()))
    if numbers.shape[-1:] == (channels,) and numbers.size == channels and rank > 1:
        return compute(value, numbers.reshape(-1))
    flat = _spread(numbers, value.shape)
    return reshaped(compute(reshaped(value, [flat.size]), flat), value.shape[1:])


def _spread(numbers: np.ndarray, shape: Shape) -> np.ndarray:
    """Returns a number for each value of a tensor."""
    sizes = [1, *(size for size in shape[1:] if size is not None)]
    if len(sizes) < len(shape):
        raise ModelError(UNKNOWN_SIZE)
    try:
        return np.broadcast_to(numbers, sizes).ravel()
    except ValueError:
        raise ModelError(
            f"with a constant of shape {numbers.shape} and a tensor of shape {shape}; "
            "expected one that takes the shape of the tensor"
        ) from None
