"""Reshaping, cutting and joining of tensors, as layers.

A function here takes the arguments of an operation, by the names they have in
`translate.py`, and returns what it amounts to; a ModelError says with what arguments
it cannot be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.layers.depth_to_space import DepthToSpace, SpaceToDepth
from tfcompress.layers.slice import Slice
from tfcompress.loading.operations.expression import (
    Call,
    Expression,
    Value,
    affine,
    inner_axis,
    positive_axis,
    product,
    reshaped,
)

# What tf.shape gave, or a part of it.
Sizes = list[int | None]

# Layers that pass whole numbers on as such, where an input holds them.
_TYPE_KEEPING = (
    keras.layers.Concatenate,
    keras.layers.Permute,
    keras.layers.Reshape,
    keras.layers.ZeroPadding2D,
    Slice,
)


def shape(x: Value) -> Sizes:
    """Returns the sizes: -1 for an open batch, None for another open axis."""
    batch, *sizes = x.shape
    return [-1 if batch is None else batch, *sizes]


def reshape(x: Value, newshape: Sequence[int | None]) -> Expression:
    """Returns a tensor with other axes behind the batch."""
    batch, *sizes = [-1 if s is None else int(s) for s in newshape]
    # Two sizes of -1: the first is what tf.shape gave for the batch.
    kept = batch == x.shape[0] or (batch == -1 and -1 in sizes)
    known = product(x.shape[1:])
    if not kept and (batch != -1 or known is None or product(sizes) != known):
        raise ModelError(f"from {x.shape} to {(batch, *sizes)}, across the batch")
    return reshaped(x, [None if s == -1 else s for s in sizes])


def transpose(x: Value, axes: Sequence[int] | None = None) -> Expression:
    """Returns a tensor with its axes in another order."""
    rank = len(x.shape)
    order = axes if axes is not None else range(rank)[::-1]
    found = [positive_axis(axis, rank) for axis in order]
    if found[0] != 0:
        raise ModelError("across the images of a batch")
    if found == [*range(rank)]:
        return x
    return Call(keras.layers.Permute, x, {"dims": found[1:]})


def swapaxes(x: Value, axis1: int, axis2: int) -> Expression:
    """Returns a tensor with two axes exchanged."""
    order = [*range(len(x.shape))]
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


def moveaxis(x: Value, source: Any, destination: Any) -> Expression:
    """Returns a tensor with some axes in other places."""
    rank = len(x.shape)
    moved, places = (
        [positive_axis(axis, rank) for axis in np.atleast_1d(axes).tolist()]
        for axes in (source, destination)
    )
    order = [axis for axis in range(rank) if axis not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


def expand_dims(x: Value, axis: Any) -> Expression:
    """Returns a tensor with a new axis of size 1."""
    at = inner_axis(axis, len(x.shape) + 1)
    return reshaped(x, [*x.shape[1:at], 1, *x.shape[at:]])


def squeeze(x: Value, axis: Any = None) -> Expression:
    """Returns a tensor without axes of size 1."""
    rank = len(x.shape)
    if axis is None:
        axis = [a for a in range(rank) if x.shape[a] == 1]
    out = {inner_axis(a, rank) for a in np.atleast_1d(axis).tolist()}
    if any(x.shape[a] != 1 for a in out):
        raise ModelError("on an axis that is not known to have size 1")
    return reshaped(x, [x.shape[a] for a in range(1, rank) if a not in out])


def concatenate(xs: Sequence[Any], axis: Any = 0) -> Expression | Sizes:
    """Returns several tensors, joined along an axis; or lists of sizes, joined."""
    if all(isinstance(x, list) for x in xs):
        return [size for x in xs for size in x]
    if not all(isinstance(x, Value) for x in xs):
        raise ModelError("with a constant")
    inner_axis(axis, len(xs[0].shape))
    if len(xs) == 1:
        return xs[0]
    return Call(keras.layers.Concatenate, list(xs), {"axis": axis})


def stack(xs: Sequence[Any], axis: Any = 0) -> Expression | Sizes:
    """Returns several tensors, joined along a new axis; or a list of sizes."""
    if all(isinstance(x, int) for x in xs):
        return list(xs)
    if not all(isinstance(x, Value) for x in xs):
        raise ModelError("with a constant")
    at = inner_axis(axis, len(xs[0].shape) + 1)
    parts = [expand_dims(x, at) for x in xs]
    return Call(keras.layers.Concatenate, parts, {"axis": at})


def repeat(x: Value, repeats: Any, axis: Any) -> Expression:
    """Returns a tensor with every value of an axis several times."""
    rank = len(x.shape)
    at = inner_axis(axis, rank)
    times = np.asarray(repeats).item() if np.size(repeats) == 1 else 0
    if rank != 4 or at == 3 or times < 1:
        raise ModelError("on other axes than height and width, or by unequal counts")
    factors = [times if at == a else 1 for a in (1, 2)]
    return Call(keras.layers.UpSampling2D, x, {"size": factors})


def pad(
    x: Value, pad_width: Any, mode: str = "constant", constant_values: Any = None
) -> Expression:
    """Returns a tensor with zeros around it."""
    if str(mode).lower() != "constant" or constant_values:
        raise ModelError("with something else than zeros")
    widths = np.broadcast_to(pad_width, (len(x.shape), 2)).tolist()
    if len(x.shape) != 4 or any(widths[0]):
        raise ModelError("on other axes than height, width and channels")
    spatial, channels = widths[1:3], widths[3]
    given: Expression = x
    if any(map(any, spatial)):
        given = Call(keras.layers.ZeroPadding2D, given, {"padding": spatial})
    if not any(channels):
        return given
    sides = [
        None if side is None else side + sum(width)
        for side, width in zip(x.shape[1:3], spatial, strict=True)
    ]
    depth = x.shape[3]
    # There is no layer that pads channels, so they are padded as a width.
    flat = reshaped(given, [product(sides), depth, 1])
    wide = Call(keras.layers.ZeroPadding2D, flat, {"padding": [[0, 0], channels]})
    return reshaped(wide, [*sides, None if depth is None else depth + sum(channels)])


def depth_to_space(x: Value, block_size: int) -> Expression:
    """Returns a larger image with fewer channels."""
    return Call(DepthToSpace, x, {"block_size": block_size})


def space_to_depth(x: Value, block_size: int) -> Expression:
    """Returns a smaller image with more channels."""
    return Call(SpaceToDepth, x, {"block_size": block_size})


def identity(x: Any) -> Any:
    """Returns what is given."""
    return x


def cast(x: Value, dtype: Any) -> Expression:
    """Returns a tensor as float32; only an input of the model can be something else."""
    wanted = tf.as_dtype(dtype).name
    source = x.tensor.node
    while isinstance(source.layer, _TYPE_KEEPING):
        source = source.inputs[0].node
    is_input = isinstance(source.layer, keras.layers.InputLayer)
    given = source.layer.output.dtype.name if is_input else source.layer.compute_dtype
    if given == wanted:
        return x
    if wanted != "float32":
        raise ModelError(f"from {given} to {wanted}")
    return affine(x, 1.0, 0.0)
