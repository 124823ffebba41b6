"""Activations as layers of their own, made of operations that have integer kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfcompress.layers.hard_swish import HardSigmoid
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec, Node
from tfcompress.rewriting.linear import KERNEL_LAYERS
from tfcompress.rewriting.remake import own_name, remake, specs

_layers = keras.layers
# By identity: a function of somebody else's may be called relu.
_NAMES = {
    keras.activations.get(name): name
    for name in ("linear", "relu", "relu6", "leaky_relu", "swish", "hard_sigmoid")
} | {tf.nn.relu: "relu", tf.nn.silu: "swish"}


def activation_name(activation: Any) -> str:
    """Returns the name of an activation that the rewrites know, or an empty one."""
    return _NAMES.get(activation, "")


def split_activations(graph: Graph) -> list[Change]:
    """Makes a layer of every `activation=` of a convolution or dense layer.

    The convolution keeps its name; the activation is called `<name>_activation`.
    """
    changes = []
    for spec in specs(graph):
        layer = spec.layer
        if (
            type(layer) not in KERNEL_LAYERS
            or activation_name(layer.activation) == "linear"
        ):
            continue
        activation = _activation_layer(
            layer.activation, graph.free_name(f"{layer.name}_activation")
        )
        # A PReLU, say, has a weight, which comes after those of the layer it is in.
        own = 1 + layer.use_bias
        weights = spec.weights
        after = LayerSpec(activation, weights and weights[own:])
        spec.weights = weights and weights[:own]
        spec.layer = remake(layer, activation="linear")
        for node in [node for node in graph.nodes if node.spec is spec]:
            added = graph.add(activation, node.output)
            added.spec = after
            graph.redirect(node.output, added.output, besides=[added])
        text = f"split: its activation became the layer {activation.name}"
        changes.append(Change(layer.name, text))
    return changes


def expand_activations(graph: Graph) -> list[Change]:
    """Makes activation layers plain ones, or several where no one layer quantizes.

    relu, relu6 and leaky_relu get their own layers; `swish` becomes sigmoid times
    input; a hard sigmoid, of Keras 2 or 3, a ReLU(6) between Rescalings, and so does a
    ReLU that ends elsewhere than at 6; `linear` and Identity go. Others stay. The last
    layer has the name; those before are called `<name>_...`.
    """
    for spec in specs(graph):
        inner = getattr(spec.layer, "activation", None)
        if type(spec.layer) is _layers.Activation and isinstance(inner, _layers.Layer):
            spec.layer = remake(inner, name=spec.name)
    changes = []
    for node in list(graph.nodes):
        name = _kind(node.layer)
        if name == "linear":
            graph.bypass(node)
            changes.append(Change(node.name, "removed: it does nothing"))
        elif name in _EXPANSIONS:
            old = node.name
            layers = _EXPANSIONS[name](node.layer, own_name(graph, node))
            _replace(graph, node, layers)
            text = " and ".join(type(layer).__name__ for layer in layers)
            changes.append(Change(old, f"rewritten to {text}"))
    return changes


def _kind(layer: keras.layers.Layer) -> str:
    """Returns a key of `_EXPANSIONS`, "linear", or something that is neither."""
    if type(layer) is _layers.Identity:
        return "linear"
    if type(layer) is HardSigmoid:
        return "HardSigmoid"
    if type(layer) is _layers.Activation:
        return activation_name(layer.activation)
    if type(layer) is _layers.ReLU and not layer.threshold:
        if layer.max_value is None:
            return "sloped ReLU" if layer.negative_slope else ""
        if layer.max_value not in (0, 6) and not layer.negative_slope:
            return "bounded ReLU"
    return ""


def _activation_layer(activation: Any, name: str) -> keras.layers.Layer:
    if isinstance(activation, _layers.Layer):
        return remake(activation, name=name)
    return _layers.Activation(activation, name=name)


def _replace(graph: Graph, node: Node, layers: list[keras.layers.Layer]) -> None:
    """Puts a chain of layers in the place of a node; a Multiply takes its input too."""
    given = tensor = node.inputs[0]
    *before, last = layers
    for layer in before:
        named = remake(layer, name=graph.free_name(layer.name))
        tensor = graph.add(named, tensor).output
    node.spec = LayerSpec(last, [])
    node.is_list = isinstance(last, _layers.Multiply)
    node.inputs = [given, tensor] if node.is_list else [tensor]


def _hard_sigmoid(name: str, slope: float) -> list[keras.layers.Layer]:
    """Returns layers for `relu6(slope * x + 3) / 6`."""
    return [
        _layers.Rescaling(slope, 3.0, name=f"{name}_shift"),
        _layers.ReLU(6.0, name=f"{name}_relu6"),
        _layers.Rescaling(1 / 6, name=name),
    ]


def _swish(layer: keras.layers.Layer, name: str) -> list[keras.layers.Layer]:
    del layer
    sigmoid = _layers.Activation("sigmoid", name=f"{name}_sigmoid")
    return [sigmoid, _layers.Multiply(name=name)]


def _bounded_relu(layer: keras.layers.Layer, name: str) -> list[keras.layers.Layer]:
    bound = float(layer.max_value)
    return [
        _layers.Rescaling(6 / bound, name=f"{name}_shrink"),
        _layers.ReLU(6.0, name=f"{name}_relu6"),
        _layers.Rescaling(bound / 6, name=name),
    ]


_Expansion = Callable[[keras.layers.Layer, str], list[keras.layers.Layer]]
_EXPANSIONS: dict[str, _Expansion] = {
    "relu": lambda layer, name: [_layers.ReLU(name=name)],
    "relu6": lambda layer, name: [_layers.ReLU(6.0, name=name)],
    "leaky_relu": lambda layer, name: [_layers.LeakyReLU(0.2, name=name)],
    "swish": _swish,
    # tf_keras means clip(0.2 x + 0.5, 0, 1).
    "hard_sigmoid": lambda layer, name: _hard_sigmoid(name, slope=1.2),
    "HardSigmoid": lambda layer, name: _hard_sigmoid(name, slope=1.0),
    "sloped ReLU": lambda layer, name: [
        _layers.LeakyReLU(float(layer.negative_slope), name=name)
    ],
    "bounded ReLU": _bounded_relu,
}
