"""Hard swish written out in parts made one layer, and one layer made parts."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import tf_keras as keras

from tfcompress.layers.hard_swish import HardSigmoid, HardSwish, HardSwishGate
from tfcompress.rewriting.activations import activation_name
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec, Node, Tensor
from tfcompress.rewriting.remake import own_name

_layers = keras.layers


def merge_hard_swish(graph: Graph) -> list[Change]:
    """Makes one HardSwish of `x * relu6(x + 3) / 6`, wherever the sixth is taken.

    The layer is called like the last part. Parts that something else takes stay.

    References:
      "Searching for MobileNetV3", arXiv:1905.02244, section 5.2.
    """
    changes = []
    for node in list(graph.nodes):
        x = _match(node)
        if x is None:
            continue
        changes.append(Change(node.name, "rewritten to HardSwish"))
        parts = node.inputs
        node.spec = LayerSpec(HardSwish(name=own_name(graph, node)), [])
        node.inputs, node.is_list = [x], False
        for part in _remove_unused(graph, parts):
            changes.append(Change(part, f"merged into {node.name}"))
    return changes


def split_hard_swish(graph: Graph) -> list[Change]:
    """Makes an addition and a Multiply of every HardSwish.

    LiteRT's int8 HARD_SWISH is slow, and XNNPACK, which does not have it, has to hand
    its tensors over before and after: MobileNetV3-Small at 96x96 was 2.5 times slower
    so. The input is scaled first, by a Rescaling to be folded into what is before, so
    that no factor is left behind the product. The Multiply has the name.
    """
    changes = []
    for node in list(graph.nodes):
        if type(node.layer) is not HardSwish:
            continue
        old, name = node.name, own_name(graph, node)
        scale = _layers.Rescaling(
            1 / HardSwishGate.BOUND, name=graph.free_name(f"{name}_scaled")
        )
        x = graph.add(scale, node.inputs[0]).output
        gate = HardSwishGate(name=graph.free_name(f"{name}_gate"))
        node.inputs, node.is_list = [x, graph.add(gate, x).output], True
        node.spec = LayerSpec(_layers.Multiply(name=name), [])
        changes.append(Change(old, "rewritten to HardSwishGate and Multiply"))
    return changes


def _match(node: Node) -> Tensor | None:
    """Returns the x of which a node computes the hard swish."""
    outer = _factor(node)
    product = node.inputs[0].node if outer else node
    if type(product.layer) is not _layers.Multiply or len(product.inputs) != 2:
        return None
    left, right = (_readings(tensor) for tensor in product.inputs)
    for (a, x), (b, gate) in [
        *itertools.product(left, right),
        *itertools.product(right, left),
    ]:
        factor = (outer or 1.0) * a * b
        gate_size = 6 * _is_relu6_of_sum(gate, x) or 1 * _is_hard_sigmoid(gate, x)
        if math.isclose(factor * gate_size, 1, rel_tol=1e-5):
            return x
    return None


def _readings(tensor: Tensor) -> list[tuple[float, Tensor]]:
    """Returns a tensor as a factor times a tensor, in all ways it can be read."""
    factor = _factor(tensor.node)
    whole = [(1.0, tensor)]
    return whole if factor is None else [*whole, (factor, tensor.node.inputs[0])]


def _factor(node: Node) -> float | None:
    """Returns the number that a node multiplies with, if it does only that."""
    layer = node.layer
    if type(layer) is not _layers.Rescaling or _number(layer.offset) != 0:
        return None
    return _number(layer.scale)


def _is_hard_sigmoid(gate: Tensor, x: Tensor) -> bool:
    return type(gate.node.layer) is HardSigmoid and gate.node.inputs == [x]


def _is_relu6_of_sum(gate: Tensor, x: Tensor) -> bool:
    """Returns whether a tensor is `relu6(x + 3)`."""
    if not _is_relu6(gate.node.layer):
        return False
    added = gate.node.inputs[0].node
    return (
        type(added.layer) is _layers.Rescaling
        and _number(added.layer.scale) == 1
        and _number(added.layer.offset) == 3
        and added.inputs == [x]
    )


def _is_relu6(layer: keras.layers.Layer) -> bool:
    if type(layer) is _layers.ReLU:
        slopes = (layer.negative_slope, layer.threshold)
        return layer.max_value == 6 and not any(slopes)
    return type(layer) is _layers.Activation and (
        activation_name(layer.activation) == "relu6"
    )


def _number(value: Any) -> float | None:
    return float(value) if np.ndim(value) == 0 else None


def _remove_unused(graph: Graph, tensors: list[Tensor]) -> list[str]:
    """Removes the nodes behind tensors that nothing takes; returns their names."""
    names = []
    stack = [tensor.node for tensor in tensors]
    while stack:
        node = stack.pop()
        used = node not in graph.nodes or node.output in graph.outputs
        if used or graph.consumers(node.output) or not node.inputs:
            continue
        graph.remove(node)
        names.append(node.name)
        stack += [tensor.node for tensor in node.inputs]
    return names
