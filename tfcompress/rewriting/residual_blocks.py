"""Residual blocks: where a branch is added to what it began with, and taking it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tf_keras as keras

from tfcompress.rewriting.graph import Graph, Node, Tensor
from tfcompress.rewriting.shapes import tensor_shape


@dataclass(frozen=True, eq=False)
class ResidualBlock:
    """A branch, and the Add of it and of the tensor that it began with.

    Args:
      add: the addition; no layer lies on the way around the branch.
      skip: what the branch begins with, and what would stand in for the sum.
      branch: what is added to it.
      layers: names of all layers that are of no use without the block.
    """

    add: Node
    skip: Tensor
    branch: Tensor
    layers: frozenset[str]

    @property
    def name(self) -> str:
        """Name of the Add."""
        return self.add.name


def find_residual_blocks(graph: Graph) -> list[ResidualBlock]:
    """Returns the residual blocks with an identity skip, in the graph's order.

    A block within the branch of another one is one, too.
    """
    blocks = []
    for node in graph.nodes:
        if type(node.layer) is not keras.layers.Add or len(node.inputs) != 2:
            continue
        if graph.is_shared(node):
            continue
        for skip, branch in (node.inputs, node.inputs[::-1]):
            if skip == branch or skip.node not in _needed([branch]):
                continue
            if tensor_shape(graph, skip) == tensor_shape(graph, branch):
                layers = _layers_of(graph, node, skip)
                blocks.append(ResidualBlock(node, skip, branch, layers))
    return blocks


def take_out(graph: Graph, block: ResidualBlock) -> None:
    """Takes a block out of its graph, in place; its skip stands in for it."""
    graph.redirect(block.add.output, block.skip)
    needed = _needed([*graph.outputs, *graph.inputs])
    graph.nodes = [node for node in graph.nodes if node in needed]


def _layers_of(graph: Graph, add: Node, skip: Tensor) -> frozenset[str]:
    ends = [*graph.outputs, *graph.inputs]
    needed = _needed(ends, {add.output: skip})
    left = {node.name for node in needed}
    return frozenset(graph.names() - left)


def _needed(
    ends: Sequence[Tensor], instead: dict[Tensor, Tensor] | None = None
) -> set[Node]:
    """Returns the nodes that tensors are computed by.

    Args:
      ends: the tensors.
      instead: what is taken in the place of some tensors.
    """
    instead = instead or {}
    found: set[Node] = set()
    open_ends = list(ends)
    while open_ends:
        tensor = open_ends.pop()
        node = instead.get(tensor, tensor).node
        if node not in found:
            found.add(node)
            open_ends.extend(node.inputs)
    return found
