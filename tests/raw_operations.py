"""Models made of raw operations, of either Keras, and what becomes of them."""

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading.operations.translate import Operation, translate
from tfcompress.rewriting.graph import Graph

SHAPE = (4, 6, 8)


def translated(model):
    """Returns the graph of a live model of either Keras, its operations as layers."""
    graph = Graph(model.name)
    read = _read_keras_3 if isinstance(model, keras_3.Model) else _read_tf_keras
    made = {}
    for layer in model.inputs:
        shape, name, dtype = layer.shape[1:], layer.name, layer.dtype
        given = keras.layers.InputLayer(shape, name=name, dtype=dtype)
        made[name, 0] = graph.add(given, []).output
    for operation in read(model, made):
        for index, output in enumerate(translate(graph, operation)):
            made[operation.name, index] = output
    graph.inputs = [made[tensor.name, 0] for tensor in model.inputs]
    graph.outputs = [made[end] for end in _ends(model)]
    return graph


def _ends(model):
    ends = model.get_config()["output_layers"]
    ends = [ends] if isinstance(ends[0], str) else ends
    return [(name, index) for name, _, index in ends]


def _resolved(value, leaf):
    found = leaf(value)
    if found is not value:
        return found
    if isinstance(value, (list, tuple)):
        return [_resolved(item, leaf) for item in value]
    if isinstance(value, dict):
        return {key: _resolved(item, leaf) for key, item in value.items()}
    return value


def _read_keras_3(model, made):
    def leaf(value):
        if not isinstance(value, keras_3.KerasTensor):
            return value
        layer, _, index = value._keras_history
        return made[layer.name, index]

    for layer in model.operations:
        if isinstance(layer, keras_3.layers.InputLayer):
            continue
        given = layer._inbound_nodes[0].arguments
        symbol = f"{type(layer).__module__}.{type(layer).__name__}"
        args, kwargs = (_resolved(part, leaf) for part in (given.args, given.kwargs))
        yield Operation(layer.name, symbol, args, kwargs, layer.get_config())


def _read_tf_keras(model, made):
    def leaf(value):
        if isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str):
            constant = value[0] == "_CONSTANT_VALUE"
            return value[2] if constant else made[value[0], value[2]]
        if isinstance(value, dict) and value.keys() == {"start", "stop", "step"}:
            return slice(*value.values())
        return value

    for entry in model.get_config()["layers"]:
        for given in entry["inbound_nodes"]:
            several = isinstance(given[0], list)
            kwargs = (given[0] if several else given)[3]
            args = [_resolved(given, leaf)]
            config, kwargs = entry["config"], _resolved(kwargs, leaf)
            symbol = f"tf.{config['function']}"
            yield Operation(config["name"], symbol, args, kwargs, config)


def assert_same(model, shapes):
    graph = translated(model)
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(3, *shape)).astype(np.float32) * 3 for shape in shapes]
    result = graph.to_model()(given)
    for ours, original in zip(
        tf.nest.flatten(result), tf.nest.flatten(model(given)), strict=True
    ):
        np.testing.assert_allclose(ours, original, rtol=2e-5, atol=2e-6)
        assert ours.shape == original.shape
    return graph


def graph_with_input(shape=SHAPE, dtype="float32"):
    graph = Graph("model")
    given = keras.layers.InputLayer(shape, name="image", dtype=dtype)
    graph.inputs = [graph.add(given, []).output]
    return graph, graph.inputs[0]


def names_and_types(graph):
    return [(node.name, type(node.layer).__name__) for node in graph.nodes[1:]]


def assert_keras_3(function):
    """Asserts that a function of two tensors of Keras 3 is the same as layers."""
    x, y = (keras_3.Input(SHAPE, name=letter) for letter in "xy")
    assert_same(keras_3.Model([x, y], function(x, y)), [SHAPE, SHAPE])


def assert_tf_keras(function):
    """Asserts that a function of two tensors of tf_keras is the same as layers."""
    x, y = (keras.Input(SHAPE, name=letter) for letter in "xy")
    assert_same(keras.Model([x, y], function(x, y)), [SHAPE, SHAPE])


def assert_refused(symbol, arguments, why):
    graph, x = graph_with_input()
    with pytest.raises(ModelError, match=why) as caught:
        translate(graph, Operation("bad op", symbol, [x], arguments))
    message = str(caught.value)
    assert message.startswith(f"layer bad op calls {symbol}")
    assert "put a Keras layer in its place" in message and "\n" not in message
    assert len(graph.nodes) == 1
