"""Which layers compute in float, and where their neighbours in int8 begin."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.layers.precision_change import PrecisionChange
from tfcompress.quantization.operators import fixed_range
from tfcompress.quantization.plan import is_taken_in
from tfcompress.rewriting.graph import Graph, Node
from tfcompress.rewriting.remake import owner
from tfcompress.rewriting.training_only import TRAINING_ONLY


def find_float_layers(
    graph: Graph, layers: Collection[str], keep_float: Sequence[str]
) -> set[str]:
    """Returns the layers of a graph that compute in float.

    Besides those that a pattern names, that is what ends in the same operator: the
    BatchNormalization and the ReLU behind a convolution.

    Args:
      graph: `prepare_for_quantization` has been through it.
      layers: names of the model's layers before.
      keep_float: shell-style patterns of names, before or after.

    Raises:
      InvalidArgumentError: a pattern names no layer, or none that is left.
    """
    found: set[str] = set()
    nodes = [n for n in graph.nodes if not isinstance(n.layer, keras.layers.InputLayer)]
    for pattern in keep_float:
        named = {
            node.name
            for node in nodes
            if fnmatch.fnmatch(node.name, pattern)
            or fnmatch.fnmatch(owner(node.name, layers), pattern)
        }
        if not named and fnmatch.filter(layers, pattern):
            raise InvalidArgumentError(
                f"keep_float: what {pattern!r} names in {graph.name!r} has no operator "
                "of its own, being the input or folded into another layer; name that"
            )
        if not named:
            raise InvalidArgumentError(
                f"keep_float: no layer of {graph.name!r} is called {pattern!r}"
            )
        found |= named
    for node in nodes:
        _spread(graph, node, found)
    return found


def _spread(graph: Graph, node: Node, found: set[str]) -> None:
    """Adds to the float layers what follows one of them in the same operator."""
    if node.name in found and is_taken_in(graph, node):
        found.update(taker.name for taker in graph.consumers(node.output))
    if isinstance(node.layer, TRAINING_ONLY) and node.inputs[0].node.name in found:
        found.add(node.name)


def change_precision(graph: Graph, float_layers: Collection[str]) -> None:
    """Puts a PrecisionChange between layers in float and layers in int8.

    Inputs and outputs of the model count as int8.

    Args:
      graph: is changed in place.
      float_layers: what `find_float_layers` returned.
    """
    for node in list(graph.nodes):
        is_float = node.name in float_layers and not fixed_range(node.layer)
        others = [
            taker
            for taker in graph.consumers(node.output)
            if (taker.name in float_layers) != is_float
        ]
        if not others and not (is_float and node.output in graph.outputs):
            continue
        to = "int8" if is_float else "float"
        layer = PrecisionChange(to, name=graph.free_name(f"{node.name}_to_{to}"))
        same = [n for n in graph.consumers(node.output) if n not in others]
        outputs = list(graph.outputs)
        change = graph.add(layer, node.output)
        graph.redirect(node.output, change.output, besides=[change, *same])
        if not is_float:
            graph.outputs = outputs
