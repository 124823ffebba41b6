"""Forward: a graph computed tensor by tensor, where a caller looks in or changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfcompress.rewriting.graph import Graph, Node, Tensor

Call = Callable[[Node, Any], tf.Tensor]


def call_layer(node: Node, given: Any) -> tf.Tensor:
    """Calls the layer of a node, in inference mode, with a tensor or a list."""
    return node.layer(given, **{**node.options, "training": False})


def forward(
    graph: Graph, images: tf.Tensor, call: Call = call_layer
) -> dict[Tensor, tf.Tensor]:
    """Returns the value of every tensor of a graph.

    Args:
      graph: of one input and layers of one output, straight from `Graph.from_model`:
        its layers are called.
      images: (batch, height, width, channels).
      call: returns the value of a node, given what its layer is called with.
    """
    values = {graph.inputs[0]: images}
    for node in graph.nodes:
        if node.output not in values:
            given = [values[tensor] for tensor in node.inputs]
            values[node.output] = call(node, given if node.is_list else given[0])
    return values
