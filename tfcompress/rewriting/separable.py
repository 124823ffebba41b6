"""Separable convolutions split into the two convolutions that they are."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec
from tfcompress.rewriting.remake import specs

_layers = keras.layers
_PARTS: dict[type, tuple[type, type]] = {
    _layers.SeparableConv1D: (_layers.DepthwiseConv1D, _layers.Conv1D),
    _layers.SeparableConv2D: (_layers.DepthwiseConv2D, _layers.Conv2D),
}
_ROLES = ("initializer", "regularizer", "constraint")


def split_separable(graph: Graph) -> list[Change]:
    """Makes every SeparableConv a DepthwiseConv and a convolution of size 1.

    The latter keeps the name, bias and activation; the former is called
    `<name>_depthwise`.
    """
    changes = []
    for spec in specs(graph):
        if type(spec.layer) not in _PARTS:
            continue
        depthwise_class, pointwise_class = _PARTS[type(spec.layer)]
        config = spec.layer.get_config()
        name = graph.free_name(f"{spec.name}_depthwise")
        depthwise = depthwise_class(name=name, **_depthwise_settings(config))
        pointwise = pointwise_class(**_pointwise_settings(config))
        kernels = spec.weights
        first = LayerSpec(depthwise, kernels and kernels[:1])
        spec.layer, spec.weights = pointwise, kernels and kernels[1:]
        for node in [node for node in graph.nodes if node.spec is spec]:
            added = graph.add(depthwise, node.inputs[0])
            added.spec = first
            node.inputs = [added.output]
        text = f"split into {depthwise_class.__name__} and {pointwise_class.__name__}"
        changes.append(Change(spec.name, text))
    return changes


def _depthwise_settings(config: dict[str, Any]) -> dict[str, Any]:
    kept = "kernel_size strides padding depth_multiplier data_format dilation_rate"
    settings = {key: config[key] for key in f"{kept} trainable dtype".split()}
    roles = {f"depthwise_{role}": config[f"depthwise_{role}"] for role in _ROLES}
    return settings | roles | {"use_bias": False}


def _pointwise_settings(config: dict[str, Any]) -> dict[str, Any]:
    biases = " ".join(f"bias_{role}" for role in _ROLES)
    kept = f"name filters data_format activation use_bias {biases} trainable dtype"
    settings = {key: config[key] for key in kept.split()}
    roles = {f"kernel_{role}": config[f"pointwise_{role}"] for role in _ROLES}
    return settings | roles | {"kernel_size": 1}
