"""How layers that move values couple channels: reshape, slice, concatenate, shuffle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tf_keras as keras

from tfcompress.channels.coupling import Call, Channels, Coupling, WallError
from tfcompress.channels.cut import Cut, resized
from tfcompress.rewriting.graph import LayerSpec

_layers = keras.layers
_SPATIAL_NAMES = """
GlobalAveragePooling GlobalMaxPooling AveragePooling MaxPooling ZeroPadding Cropping
UpSampling
"""
# Channels stay on the last axis, each by itself.
SPATIAL = (
    *(
        getattr(_layers, f"{name}{rank}D")
        for name in _SPATIAL_NAMES.split()
        for rank in (1, 2, 3)
    ),
    *(_layers.CenterCrop, _layers.Resizing, _layers.RepeatVector, _layers.RandomCrop),
)


def couple_spatial(coupling: Coupling, call: Call) -> Channels:
    """Couples pooling, padding and the like, which move pixels only."""
    call.need_last()
    return Channels(call.last, call.given.ids)


def couple_concatenate(coupling: Coupling, call: Call) -> Channels:
    """Couples a Concatenate: channels one after the other, or maps side by side."""
    if len({given.axis for given in call.inputs}) > 1:
        raise WallError("joins tensors that have their channels on different axes")
    if call.axes(call.layer.axis) == [call.given.axis]:
        ids = np.concatenate([given.ids for given in call.inputs])
        return Channels(call.given.axis, ids)
    for given in call.inputs[1:]:
        coupling.tie(call.given.ids, given.ids)
    return call.given


def couple_slice(coupling: Coupling, call: Call) -> Channels:
    """Couples a Slice: a range of the channels, or of the pixels."""
    axis = call.given.axis
    part = _range(call.layer.slices, axis)
    if part.step not in (None, 1):
        raise WallError("takes channels at a distance from each other")
    coupling.need(call.given.ids[part])
    return Channels(axis, call.given.ids[part])


def cut_slice(spec: LayerSpec, inputs: Sequence[Cut], output: Cut) -> LayerSpec:
    """Returns a Slice of those channels that are kept in its range."""
    (given,) = inputs
    if given.axis >= len(spec.layer.slices):
        return spec
    start, stop, _ = _range(spec.layer.slices, given.axis).indices(given.size)
    slices = [list(part) for part in spec.layer.slices]
    slices[given.axis] = [int(np.sum(given.kept < end)) for end in (start, stop)] + [1]
    return resized(spec, [], slices=slices)


def _range(slices: Sequence[Sequence[int | None]], axis: int) -> slice:
    return slice(*slices[axis]) if axis < len(slices) else slice(None)


def couple_permute(coupling: Coupling, call: Call) -> Channels:
    """Couples a Permute: the axis of the channels moves."""
    axis = list(call.layer.dims).index(call.given.axis + 1)
    return Channels(axis, call.given.ids)


def couple_shuffle(coupling: Coupling, call: Call) -> Channels:
    """Couples a ChannelShuffle: the channels at one place in every part stay together.

    Otherwise what is left would not be a shuffle of equal parts any more.
    """
    call.need_last()
    parts = call.given.ids.reshape(call.layer.groups, -1)
    coupling.tie(parts[:1], parts)
    return Channels(call.given.axis, parts.T.ravel())


def couple_space_to_depth(coupling: Coupling, call: Call) -> Channels:
    """Couples SpaceToDepth: each channel comes as often as a square has pixels."""
    call.need_last()
    ids = np.tile(call.given.ids, call.layer.block_size**2)
    return Channels(call.given.axis, ids)


def couple_depth_to_space(coupling: Coupling, call: Call) -> Channels:
    """Couples DepthToSpace: the channels that become one square stay together."""
    call.need_last()
    squares = call.given.ids.reshape(call.layer.block_size**2, -1)
    coupling.tie(squares[:1], squares)
    return Channels(call.given.axis, squares[0])


def couple_reshape(coupling: Coupling, call: Call) -> Channels:
    """Couples a Reshape or Flatten.

    Only whole rows of a tensor can be removed. Where the channels come to lie along
    several axes, they are tied until only the last of these is left, so that a shuffle
    written as reshape, transpose, reshape keeps its number of parts.
    """
    if getattr(call.layer, "data_format", "") == "channels_first":
        raise WallError("turns the axes as well")
    before = [size for size in call.input_shapes[0] if size]
    after = [size for size in call.output_shape if size]
    if len(before) < len(call.input_shapes[0]) or len(after) <= call.last:
        is_last = call.given.axis == len(call.input_shapes[0]) - 1
        if is_last and call.input_shapes[0][-1] == call.output_shape[-1]:
            return Channels(call.last, call.given.ids)
        raise WallError("reshapes sizes that are open")
    shape = [1] * len(before)
    shape[call.given.axis] = -1
    ids = np.broadcast_to(call.given.ids.reshape(shape), before).reshape(after)
    axes = [axis for axis in range(ids.ndim) if _varies(ids, axis)]
    kept = axes[-1] if axes else call.last
    first = ids[tuple(slice(None if a == kept else 1) for a in range(ids.ndim))]
    if len(axes) > 1:
        coupling.tie(first, ids)
    return Channels(kept, first.ravel())


def _varies(ids: np.ndarray, axis: int) -> bool:
    return bool(np.any(ids != ids.take([0], axis)))


def cut_reshape(spec: LayerSpec, inputs: Sequence[Cut], output: Cut) -> LayerSpec:
    """Returns a Reshape to a shape that has only the channels kept."""
    target = list(spec.layer.target_shape)
    if target[output.axis] != -1:
        target[output.axis] = len(output.kept)
    return resized(spec, [], target_shape=target)
