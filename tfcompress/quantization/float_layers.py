"""Which layers compute in float or int16, and where their neighbours begin."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.layers.precision_change import Precision, PrecisionChange
from tfcompress.quantization.operators import fixed_range, why_not_int16
from tfcompress.quantization.plan import is_taken_in
from tfcompress.rewriting.graph import Graph, Node
from tfcompress.rewriting.remake import owner
from tfcompress.rewriting.training_only import TRAINING_ONLY


def find_precisions(
    graph: Graph,
    layers: Collection[str],
    keep_float: Sequence[str] = (),
    keep_int16: Sequence[str] = (),
) -> dict[str, Precision]:
    """Returns in what the layers of a graph compute that do not in int8, by name.

    What both settings name computes in float.

    Raises:
      InvalidArgumentError: a pattern names no layer, or none that is left.
      ModelError: the runtime has no int16 operator for a layer.
    """
    found: dict[str, Precision] = {}
    found |= dict.fromkeys(_named(graph, layers, keep_int16, "keep_int16"), "int16")
    found |= dict.fromkeys(_named(graph, layers, keep_float, "keep_float"), "float")
    for node in graph.nodes:
        if found.get(node.name) == "int16" and (reason := why_not_int16(node.layer)):
            raise ModelError(
                f"layer {node.name!r} of {graph.name!r} cannot compute in int16: "
                f"{reason}; let it compute in float with keep_float=({node.name!r},)"
            )
    return found


def _named(
    graph: Graph, layers: Collection[str], patterns: Sequence[str], setting: str
) -> set[str]:
    """Returns the layers that patterns name.

    Besides those that a pattern names, that is what ends in the same operator: the
    BatchNormalization and the ReLU behind a convolution.

    Args:
      graph: `prepare_for_quantization` has been through it.
      layers: names of the model's layers before.
      patterns: shell-style, of names before or after.
      setting: whose patterns they are.
    """
    found: set[str] = set()
    nodes = [n for n in graph.nodes if not isinstance(n.layer, keras.layers.InputLayer)]
    for pattern in patterns:
        named = {
            node.name
            for node in nodes
            if fnmatch.fnmatch(node.name, pattern)
            or fnmatch.fnmatch(owner(node.name, layers), pattern)
        }
        if not named and fnmatch.filter(layers, pattern):
            raise InvalidArgumentError(
                f"{setting}: what {pattern!r} names in {graph.name!r} has no operator "
                "of its own, being the input or folded into another layer; name that"
            )
        if not named:
            raise InvalidArgumentError(
                f"{setting}: no layer of {graph.name!r} is called {pattern!r}"
            )
        found |= named
    for node in nodes:
        _spread(graph, node, found)
    return found


def _spread(graph: Graph, node: Node, found: set[str]) -> None:
    """Adds to the layers found what follows one of them in the same operator."""
    if node.name in found and is_taken_in(graph, node):
        found.update(taker.name for taker in graph.consumers(node.output))
    if isinstance(node.layer, TRAINING_ONLY) and node.inputs[0].node.name in found:
        found.add(node.name)


def change_precision(graph: Graph, precisions: Mapping[str, Precision]) -> None:
    """Puts a PrecisionChange between layers of different precision.

    Inputs and outputs of the model count as int8.

    Args:
      graph: is changed in place.
      precisions: what `find_precisions` returned.
    """

    def taken_in(node: Node) -> Precision:
        return precisions.get(node.name, "int8")

    for node in list(graph.nodes):
        given: Precision = "int8" if fixed_range(node.layer) else taken_in(node)
        takers = graph.consumers(node.output)
        wanted = {taken_in(taker) for taker in takers}
        if node.output in graph.outputs:
            wanted.add("int8")
        for to in sorted(wanted - {given}):
            same = [taker for taker in takers if taken_in(taker) != to]
            _change(graph, node, given, to, same)


def _change(
    graph: Graph,
    node: Node,
    given: Precision,
    to: Precision,
    besides: Collection[Node],
) -> None:
    """Changes what takes the output of a node, besides some, from one precision."""
    outputs = list(graph.outputs)
    last = node.output
    changes = []
    # Between two of integers the converter wants something in float.
    steps: list[Precision] = [to] if "float" in (given, to) else ["float", to]
    for step in steps:
        layer = PrecisionChange(step, name=graph.free_name(f"{node.name}_to_{step}"))
        changes.append(graph.add(layer, last))
        last = changes[-1].output
    graph.redirect(node.output, last, besides=[changes[0], *besides])
    if to != "int8":
        graph.outputs = outputs
