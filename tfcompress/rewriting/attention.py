"""Attention as dense layers, products of matrices and a softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras as keras

from tfcompress.layers.attention_heads import AttentionHeads
from tfcompress.layers.matrix_product import MatrixProduct
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec, Node, Tensor
from tfcompress.rewriting.remake import own_name, specs

_layers = keras.layers
_GIVEN = ("query", "key", "value")
_KEPT = ("trainable", "kernel_regularizer", "bias_regularizer", "activity_regularizer")


def split_heads(graph: Graph) -> list[Change]:
    """Makes plain layers of every AttentionHeads, so of every MultiHeadAttention.

    The projections become Dense layers: `<name>_query`, `<name>_key`, `<name>_value`,
    and that of the output, which has the name.
    """
    changes = []
    for spec in specs(graph):
        if type(spec.layer) is AttentionHeads:
            projections = _projections(spec)
            for node in [node for node in graph.nodes if node.spec is spec]:
                _split(graph, node, projections)
            text = "split into Dense layers, products of matrices and a Softmax"
            changes.append(Change(spec.name, text))
    return changes


def split_attention(graph: Graph) -> list[Change]:
    """Makes plain layers of every Attention that scores by products.

    Its scale becomes a constant, so this is for quantization only.
    """
    changes = []
    for node in list(graph.nodes):
        layer = node.layer
        if type(layer) is not _layers.Attention or layer.score_mode != "dot":
            continue
        query, value, *key = node.inputs
        if node.spec.weights:
            scale = float(node.spec.weights[0])
            query = _add(graph, f"{node.name}_scaled", query, _layers.Rescaling, scale)
        weights = _weigh(graph, node, query, key[0] if key else value, layer.dropout)
        changes.append(Change(node.name, "split into products and a Softmax"))
        node.spec = LayerSpec(MatrixProduct(name=own_name(graph, node)), [])
        node.inputs, node.options = [weights, value], {}
    return changes


def _projections(spec: LayerSpec) -> list[LayerSpec]:
    """Returns a Dense layer each for query, key, value and output."""
    names = [*(f"{spec.name}_{given}" for given in _GIVEN), spec.name]
    weights = spec.weights or []
    count = len(weights) // len(names)
    found = []
    for index, (name, part) in enumerate(zip(names, spec.layer.parts, strict=True)):
        kernel, *bias = weights[count * index : count * (index + 1)]
        # What heads and their channels are two axes of is one axis of a Dense kernel.
        inner = 2 if name == spec.name else 1
        shape = [int(np.prod(s)) for s in (kernel.shape[:inner], kernel.shape[inner:])]
        kept = {key: value for key, value in part.get_config().items() if key in _KEPT}
        config = {"name": name, "units": shape[1], "use_bias": bool(bias), **kept}
        arrays = [kernel.reshape(shape), *(array.ravel() for array in bias)]
        found.append(LayerSpec(_layers.Dense.from_config(config), arrays))
    return found


def _split(graph: Graph, node: Node, projections: list[LayerSpec]) -> None:
    """Makes a call of AttentionHeads one of its last projection, behind the rest."""
    layer, name = node.layer, node.name
    query, value, *key = node.inputs
    given = (query, key[0] if key else value, value)
    tensors = []
    for spec, tensor in zip(projections[:-1], given, strict=True):
        projected = graph.add(spec.layer, tensor)
        projected.spec = spec
        tensors.append(projected.output)
    scale = layer._key_dim**-0.5
    tensors[0] = _add(graph, f"{name}_scaled", tensors[0], _layers.Rescaling, scale)
    for index, spec in enumerate(projections[:-1]):
        heads = (-1, layer._num_heads, spec.layer.units // layer._num_heads)
        own, tensor = spec.name, tensors[index]
        split = _add(graph, f"{own}_split", tensor, _layers.Reshape, heads)
        tensors[index] = _add(graph, f"{own}_heads", split, _layers.Permute, (2, 1, 3))
    weights = _weigh(graph, node, tensors[0], tensors[1], layer._dropout)
    context = _add(graph, f"{name}_context", [weights, tensors[2]], MatrixProduct)
    context = _add(graph, f"{name}_tokens", context, _layers.Permute, (2, 1, 3))
    width = (-1, projections[2].layer.units)
    context = _add(graph, f"{name}_joined", context, _layers.Reshape, width)
    node.spec = projections[-1]
    node.inputs, node.is_list, node.options = [context], False, {}


def _weigh(
    graph: Graph, node: Node, query: Tensor, key: Tensor, dropout: float
) -> Tensor:
    """Returns how well each key fits each query, as weights that sum to 1."""
    name = node.name
    scores = _add(graph, f"{name}_scores", [query, key], MatrixProduct, True)
    weights = _add(graph, f"{name}_weights", scores, _layers.Softmax)
    if dropout:
        weights = _add(graph, f"{name}_dropout", weights, _layers.Dropout, dropout)
        weights.node.options = node.options
    return weights


def _add(
    graph: Graph,
    name: str,
    given: Tensor | list[Tensor],
    kind: type[keras.layers.Layer],
    *arguments: Any,
) -> Tensor:
    """Adds a call of a new layer, by a name that is free."""
    return graph.add(kind(*arguments, name=graph.free_name(name)), given).output
