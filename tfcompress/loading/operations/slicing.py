"""Parts of tensors, as layers.

A function here takes the arguments of an operation, by the names they have in
`translate.py`, and returns what it amounts to; a ModelError says with what arguments
it cannot be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, islice, pairwise
from typing import Any

import numpy as np

from tfcompress.errors import ModelError
from tfcompress.layers.slice import Slice
from tfcompress.loading.operations.expression import (
    UNKNOWN_SIZE,
    Call,
    Expression,
    Value,
    inner_axis,
    known_size,
    reshaped,
)

# More outputs are no vision model's, but an attack on memory.
_MAX_OUTPUTS = 1024
_WHOLE = (None, None, None)


def getitem(x: Any, key: Any) -> Expression | int | list[int | None]:
    """Returns `x[key]`: of a tensor, or of the sizes that `tf.shape` gave."""
    keys = list(key) if isinstance(key, (list, tuple)) else [key]
    if not isinstance(x, Value):
        (only,) = keys
        if x[only] is None:
            raise ModelError(UNKNOWN_SIZE)
        return x[only]
    return _item(x, _filled(keys, len(x.shape)))


def slice_of(x: Value, begin: Sequence[int], size: Sequence[int]) -> Expression:
    """Returns the part that begins somewhere and has some size; -1 is all the rest."""
    ends = [None if s == -1 else b + s for b, s in zip(begin, size, strict=True)]
    key = [slice(b, e) for b, e in zip(begin, ends, strict=True)]
    return _item(x, key)


def take(x: Value, indices: Any, axis: Any = None) -> Expression:
    """Returns the values at some indices, which have to be equally far apart."""
    if axis is None:
        raise ModelError("across the images of a batch")
    at = inner_axis(axis, len(x.shape))
    whole: list[Any] = [slice(None)] * at
    if np.ndim(indices) == 0:
        return _item(x, _filled([*whole, int(indices)], len(x.shape)))
    picked = [i % known_size(x, at) for i in np.asarray(indices).tolist()]
    steps = {b - a for a, b in pairwise(picked)} or {1}
    step = steps.pop()
    if steps or not step or np.ndim(indices) > 1:
        raise ModelError("with indices that are not equally far apart")
    stop = picked[-1] + step
    return _cut(x, {at: slice(picked[0], stop if stop >= 0 else None, step)})


def flip(x: Value, axis: Any = None) -> Expression:
    """Returns a tensor with the values of some axes in reverse order."""
    if axis is None:
        raise ModelError("across the images of a batch")
    axes = [inner_axis(a, len(x.shape)) for a in np.atleast_1d(axis).tolist()]
    return _cut(x, {a: slice(None, None, -1) for a in axes})


def flip_left_right(x: Value) -> Expression:
    """Returns the mirror image."""
    return flip(x, -2)


def flip_up_down(x: Value) -> Expression:
    """Returns the image upside down."""
    return flip(x, -3)


def split_at(x: Value, indices_or_sections: Any, axis: Any = 0) -> list[Expression]:
    """Returns the parts before, between and behind some indices, or equal parts."""
    if isinstance(indices_or_sections, int):
        return split(x, indices_or_sections, axis)
    along = inner_axis(axis, len(x.shape))
    return _parts(x, along, [0, *indices_or_sections, known_size(x, along)])


def split(x: Value, num_or_size_splits: Any, axis: Any = 0) -> list[Expression]:
    """Returns equal parts, or parts of some sizes, of which one may be -1."""
    along = inner_axis(axis, len(x.shape))
    sizes, whole = num_or_size_splits, known_size(x, along)
    if isinstance(sizes, int):
        if not 0 < sizes <= _MAX_OUTPUTS or whole % sizes:
            raise ModelError(f"of {whole} values into {sizes} parts")
        sizes = [whole // sizes] * sizes
    rest = whole - sum(s for s in sizes if s != -1)
    return _parts(
        x, along, accumulate((rest if s == -1 else s for s in sizes), initial=0)
    )


def unstack(x: Value, axis: Any = 0, num: int | None = None) -> list[Expression]:
    """Returns the parts of size 1, without their axis."""
    along = inner_axis(axis, len(x.shape))
    sizes = [*x.shape[1:along], *x.shape[along + 1 :]]
    parts = _parts(x, along, range(known_size(x, along) + 1))
    return [reshaped(part, sizes) for part in parts]


def _item(x: Value, keys: Sequence[int | slice | None]) -> Expression:
    """Returns `x[keys]` where the keys name every axis."""
    if keys[0] not in (slice(None), slice(0, None), slice(None, None, 1)):
        raise ModelError("across the images of a batch")
    ranges: dict[int, slice] = {}
    sizes: list[int | None] = []
    for key in keys:
        if key is None:
            sizes.append(1)
        elif isinstance(key, slice):
            sizes.append(_length(x.shape[len(ranges)], key))
            ranges[len(ranges)] = key
        else:
            ranges[len(ranges)] = slice(key, key + 1 if key != -1 else None)
    cut = _cut(x, ranges)
    only_ranges = all(isinstance(key, slice) for key in keys)
    return cut if only_ranges else reshaped(cut, sizes[1:])


def _filled(keys: list[Any], rank: int) -> list[Any]:
    """Returns a key with a slice for every axis that it leaves out."""
    if not all(k is None or k is Ellipsis or isinstance(k, (int, slice)) for k in keys):
        raise ModelError("with an index that is no number")
    left = rank - sum(k is not None and k is not Ellipsis for k in keys)
    if left < 0:
        raise ModelError(f"with {rank - left} indices of {rank} axes")
    at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    return [*keys[:at], *[slice(None)] * left, *keys[at + 1 :]]


def _parts(x: Value, axis: int, bounds: Iterable[int]) -> list[Expression]:
    pairs = [*islice(pairwise(bounds), _MAX_OUTPUTS + 1)]
    if len(pairs) > _MAX_OUTPUTS:
        raise ModelError(f"into more than {_MAX_OUTPUTS} parts")
    return [_cut(x, {axis: slice(start, stop)}) for start, stop in pairs]


def _cut(x: Value, ranges: Mapping[int, slice]) -> Expression:
    """Returns the part of a tensor that lies in a range of each of some axes."""
    parts = []
    for axis in range(1, len(x.shape)):
        part = ranges.get(axis, slice(None))
        if _length(x.shape[axis], part) == 0:
            raise ModelError(f"with no value of the {x.shape[axis]} on axis {axis}")
        parts.append((part.start, part.stop, part.step))
    return x if set(parts) <= {_WHOLE} else Call(Slice, x, {"slices": parts})


def _length(whole: int | None, part: slice) -> int | None:
    if whole is None or part == slice(None):
        return whole
    return len(range(*part.indices(whole)))
