"""Average pooling as layers for which int8 runtimes have fast operators."""

from __future__ import annotations

import numpy as np
import tf_keras as keras

from tfcompress.layers.window_average import BorderScale, WindowAverage
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec, Node
from tfcompress.rewriting.remake import own_name
from tfcompress.rewriting.shapes import tensor_shape

_layers = keras.layers


def average_by_convolution(graph: Graph) -> list[Change]:
    """Makes a constant depthwise convolution of every AveragePooling2D.

    XNNPACK has no int8 AVERAGE_POOL_2D, and has to hand its tensors over before and
    after; convolutions are also free to scale, where pooling has one scale for input
    and output. Where padding is left out of the average, a product with a constant
    map follows, which has the name. One window over the whole map becomes a
    GlobalAveragePooling2D. What is not exact in 8 bits, or of unknown size, stays.
    """
    changes = []
    for node in list(graph.nodes):
        layer = node.layer
        if type(layer) is not _layers.AveragePooling2D:
            continue
        height, width = tensor_shape(graph, node.inputs[0])[1:3]
        if layer.data_format != "channels_last" or height is None or width is None:
            continue
        old = node.name
        text = _replace(graph, node, (height, width))
        if text:
            changes.append(Change(old, f"rewritten to {text}"))
    return changes


def _replace(graph: Graph, node: Node, size: tuple[int, int]) -> str:
    """Puts other layers in the place of a pooling layer; returns what, or nothing."""
    layer, name = node.layer, own_name(graph, node)
    window = (layer.pool_size, layer.strides, layer.padding)
    rows, columns = (_factors(*window, size, axis) for axis in (0, 1))
    factors = np.multiply.outer(rows, columns)
    if layer.pool_size == size and factors.size == 1:
        pool = _layers.GlobalAveragePooling2D(keepdims=True, name=name)
        node.spec = LayerSpec(pool, [])
        return "GlobalAveragePooling2D"
    fits = layer.pool_size[0] <= size[0] and layer.pool_size[1] <= size[1]
    if not fits or not BorderScale.takes(factors):
        return ""
    if (factors == 1).all():
        node.spec = LayerSpec(WindowAverage(*window, name=name), [])
        return "WindowAverage"
    average = WindowAverage(*window, name=graph.free_name(f"{name}_average"))
    node.inputs = [graph.add(average, node.inputs[0]).output]
    border = BorderScale(rows.tolist(), columns.tolist(), name=name)
    node.spec = LayerSpec(border, [])
    return "WindowAverage and BorderScale"


def _factors(
    pool_size: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    size: tuple[int, int],
    axis: int,
) -> np.ndarray:
    """Returns window by what of it lies in the picture, for each place on one axis."""
    window, stride, length = pool_size[axis], strides[axis], size[axis]
    if padding == "valid":
        return np.ones((length - window) // stride + 1)
    count = -(-length // stride)
    before = max((count - 1) * stride + window - length, 0) // 2
    starts = np.arange(count) * stride - before
    inside = np.minimum(starts + window, length) - np.maximum(starts, 0)
    return window / inside
