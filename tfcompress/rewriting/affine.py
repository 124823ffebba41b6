"""Layers that scale and shift channels: Rescaling, Normalization, BatchNorm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tf_keras as keras
from tf_keras.src.applications.convnext import LayerScale

from tfcompress.rewriting.graph import Node

_layers = keras.layers
BATCH_NORMALIZATIONS = (
    _layers.BatchNormalization,
    _layers.experimental.SyncBatchNormalization,
)


@dataclass(frozen=True)
class Affine:
    """What such a layer computes: `scale * x + offset`.

    Args:
      scale, offset: float64 of shape `()` or `(channels,)`.
    """

    scale: np.ndarray
    offset: np.ndarray

    def then(self, later: Affine) -> Affine:
        """Returns the map that does this one and then `later`."""
        return Affine(
            self.scale * later.scale, self.offset * later.scale + later.offset
        )

    def channels(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns scale and offset of each of so many channels."""
        scale, offset = np.broadcast_arrays(self.scale, self.offset)
        return np.broadcast_to(scale, number), np.broadcast_to(offset, number)

    def fits(self, number: int) -> bool:
        """Returns whether the map keeps so many channels so many."""
        return self.scale.size in (1, number) and self.offset.size in (1, number)

    @property
    def is_scale(self) -> bool:
        """Whether zero stays zero."""
        return not np.any(self.offset)


def read_affine(node: Node) -> Affine | None:
    """Returns the map that a node computes at inference, if it is affine by channel.

    BatchNormalization counts wherever it stands.

    Returns:
      None where the node is something else, or works along another axis than the last.
    """
    layer = node.layer
    if type(layer) is _layers.Rescaling:
        return _per_channel(layer.scale, layer.offset)
    if type(layer) is _layers.Normalization:
        return _read_normalization(node)
    if type(layer) in BATCH_NORMALIZATIONS:
        return _read_batch_normalization(node)
    if type(layer) is LayerScale and node.spec.weights:
        return Affine(node.spec.weights[0].astype(np.float64), np.zeros(()))
    return None


def to_rescaling(name: str, affine: Affine) -> keras.layers.Rescaling:
    """Returns a Rescaling layer that computes `affine`."""
    return _layers.Rescaling(affine.scale.tolist(), affine.offset.tolist(), name=name)


def _read_normalization(node: Node) -> Affine | None:
    config = node.layer.get_config()
    mean, variance = config["mean"], config["variance"]
    axis = config["axis"]
    if mean is None:
        if not node.spec.weights:
            return None
        mean, variance = node.spec.weights[:2]
    # No axis at all: one mean and variance for all values.
    if axis and not is_last(axis, node.layer):
        return None
    mean = np.asarray(mean, np.float64)
    deviation = np.maximum(
        np.sqrt(np.asarray(variance, np.float64)), keras.backend.epsilon()
    )
    if config["invert"]:
        return _per_channel(deviation, mean)
    return _per_channel(1 / deviation, -mean / deviation)


def _read_batch_normalization(node: Node) -> Affine | None:
    layer, weights = node.layer, node.spec.weights
    count = 2 + layer.scale + layer.center
    if weights is None or len(weights) != count or node.options.get("training"):
        return None
    if not is_last(layer.axis, layer):
        return None
    *parameters, mean, variance = (w.astype(np.float64) for w in weights)
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * parameters[0]
    offset = -mean * scale
    if layer.center:
        offset = offset + parameters[-1]
    return Affine(scale, offset)


def is_last(axis: int | Sequence[int], layer: keras.layers.Layer) -> bool:
    """Returns whether an axis, or one alone of several, is the last of a layer's."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    # Layers that were called know their rank; they may have made 3 of -1 themselves.
    rank = len(layer.get_input_shape_at(0)) if layer.inbound_nodes else 0
    return axes in ((-1,), (rank - 1,))


def _per_channel(*values: object) -> Affine | None:
    arrays = [np.asarray(value, np.float64) for value in values]
    if any(array.size != array.shape[-1] for array in arrays if array.ndim):
        return None
    scale, offset = (array.ravel() if array.ndim else array for array in arrays)
    return Affine(scale, offset)
