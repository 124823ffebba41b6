"""Tiny models to take channels out of, and what the tests ask of them."""

import numpy as np
import tf_keras as keras
from contract.random_graphs import random_weights
from masking import check_exact

from tfcompress.channels.dependency import find_dependencies
from tfcompress.rewriting.graph import Graph

layers = keras.layers


def model(make, shape=(6, 6, 3), channels=8, name="conv"):
    """Returns conv -> what `make` adds -> pooling and dense, with random weights."""
    image = layers.Input(shape)
    conv = {1: layers.Dense, 2: layers.Conv1D, 3: layers.Conv2D}[len(shape)]
    size = () if len(shape) == 1 else (1,)
    x = make(conv(channels, *size, name=name)(image))
    ends = x if isinstance(x, list) else [layers.Dense(2, name="end")(x)]
    net = keras.Model(image, ends)
    random_weights(net, 0)
    return net


def groups_of(net, *names):
    """Returns the groups of the outputs of some layers, as lists."""
    graph = Graph.from_model(net)
    found = find_dependencies(graph)
    by_name = {node.name: node for node in graph.nodes}
    return [found.of(by_name[name].output).tolist() for name in names]


def reason(net, name="conv"):
    """Returns why the channels of a layer have to stay: one reason for all of them."""
    graph = Graph.from_model(net)
    found = find_dependencies(graph)
    (node,) = [node for node in graph.nodes if node.name == name]
    (why,) = {found.groups.reasons[group] for group in found.of(node.output)}
    return why


def without(net, positions, name="conv"):
    """Removes channels of a layer, checks that this is exact, returns what is left."""
    graph = Graph.from_model(net)
    found = find_dependencies(graph)
    (node,) = [node for node in graph.nodes if node.name == name]
    keep = np.ones(len(found.groups), bool)
    keep[found.of(node.output)[list(positions)]] = False
    assert not any(
        why and not kept for why, kept in zip(found.groups.reasons, keep, strict=True)
    )
    random = np.random.default_rng(1)
    images = [
        random.random((3, *tensor.shape[1:]), np.float32) * 2 for tensor in net.inputs
    ]
    return check_exact(net, keep, images)


def shapes(net, name):
    """Returns the shapes of a layer's weights."""
    return [tuple(weight.shape) for weight in net.get_layer(name).weights]
