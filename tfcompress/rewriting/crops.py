"""Crops of images as layers that move or resample values."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec, Node
from tfcompress.rewriting.remake import own_name
from tfcompress.rewriting.shapes import tensor_shape

_layers = keras.layers


def replace_crops(graph: Graph) -> list[Change]:
    """Makes a Cropping2D of every CenterCrop, and a Resizing of every RandomCrop.

    That is what a RandomCrop does at inference; in training it crops no more. A
    CenterCrop of an image that is too small is a Resizing too.
    """
    changes = []
    for node in list(graph.nodes):
        if type(node.layer) not in (_layers.CenterCrop, _layers.RandomCrop):
            continue
        size = tensor_shape(graph, node.inputs[0])[1:-1]
        if len(size) != 2 or None in size:
            continue
        old = node.name
        node.spec, node.options = LayerSpec(_plain(graph, node, size), []), {}
        changes.append(Change(old, f"rewritten to {type(node.layer).__name__}"))
    return changes


def _plain(
    graph: Graph, node: Node, size: tuple[int | None, ...]
) -> keras.layers.Layer:
    layer, name = node.layer, own_name(graph, node)
    target = (layer.height, layer.width)
    excess = [side - kept for side, kept in zip(size, target, strict=True) if side]
    if type(layer) is _layers.RandomCrop or min(excess) < 0:
        return _layers.Resizing(*target, crop_to_aspect_ratio=True, name=name)
    cropping = [(more // 2, more - more // 2) for more in excess]
    return _layers.Cropping2D(cropping, name=name)
