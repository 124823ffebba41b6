"""Normalization along the last axis, which is the one that convolutions have."""

from __future__ import annotations

import numpy as np
import tf_keras as keras

from tfcompress.rewriting.affine import BATCH_NORMALIZATIONS
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, Node
from tfcompress.rewriting.remake import remake, specs
from tfcompress.rewriting.shapes import tensor_shape

_layers = keras.layers
_NORMALIZATIONS = (*BATCH_NORMALIZATIONS, _layers.Normalization)


def normalize_last_axis(graph: Graph) -> list[Change]:
    """Puts what normalizes along one axis, and not the last, between two Permutes.

    The second Permute undoes what the first one does.
    """
    changes = []
    for spec in specs(graph):
        nodes = [node for node in graph.nodes if node.spec is spec]
        if type(spec.layer) not in _NORMALIZATIONS:
            continue
        last = len(tensor_shape(graph, nodes[0].inputs[0])) - 1
        axes = np.atleast_1d(spec.layer.axis) % (last + 1)
        if len(axes) != 1 or axes[0] == last:
            continue
        spec.layer = remake(spec.layer, axis=-1)
        order = [axis for axis in range(1, last + 1) if axis != axes[0]] + [*axes]
        for node in nodes:
            _turn(graph, node, [int(axis) for axis in order])
        changes.append(Change(spec.name, "put between two Permutes"))
    return changes


def _turn(graph: Graph, node: Node, order: list[int]) -> None:
    """Makes a call see its input with the axes in another order, and none else."""
    there = _layers.Permute(order, name=graph.free_name(f"{node.name}_turned"))
    node.inputs = [graph.add(there, node.inputs[0]).output]
    order = [order.index(axis) + 1 for axis in range(1, len(order) + 1)]
    back = _layers.Permute(order, name=graph.free_name(f"{node.name}_turned_back"))
    turned_back = graph.add(back, node.output)
    graph.redirect(node.output, turned_back.output, besides=[turned_back])
