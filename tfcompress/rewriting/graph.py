"""A Functional model as a list of calls that can be changed and built again.

Keras has no such thing: its own graph can be read but not edited. Every rewrite of
this package is a function that changes a `Graph` in place; nothing is built, and no
weight of the model that the graph came from is touched, until `to_model` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.rewriting.check import check_tf_keras


@dataclass(eq=False)
class LayerSpec:
    """A layer to be made: several nodes may share one, as calls share a layer.

    Args:
      layer: tells class and settings; it is copied, never called.
      weights: values in the order of `layer.get_weights()`; None leaves the new layer
        with its initial ones.
    """

    layer: keras.layers.Layer
    weights: list[np.ndarray] | None = None

    @property
    def name(self) -> str:
        """Name of the layer."""
        return str(self.layer.name)


@dataclass(frozen=True)
class Tensor:
    """An output of a node."""

    node: Node
    index: int = 0


@dataclass(eq=False)
class Node:
    """One call of a layer.

    Args:
      spec: the layer.
      inputs: what it is called with; none for an input layer.
      is_list: whether the layer takes a list, also where that holds one tensor.
      options: keyword arguments of the call, such as `training`.
    """

    spec: LayerSpec
    inputs: list[Tensor] = field(default_factory=list)
    is_list: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def layer(self) -> keras.layers.Layer:
        """The layer that is called; its class and settings are what counts."""
        return self.spec.layer

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.spec.name

    @property
    def output(self) -> Tensor:
        """The first output."""
        return Tensor(self)

    def __repr__(self) -> str:
        return f"<{type(self.layer).__name__} {self.name}>"


Make = Callable[[LayerSpec], keras.layers.Layer]


class Graph:
    """The calls that make up a Functional model.

    Attributes:
      name: of the model.
      nodes: the calls, each after those it takes its inputs from.
      inputs, outputs: of the model.
    """

    def __init__(self, name: str):
        self.name = name
        self.nodes: list[Node] = []
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []

    @classmethod
    def from_model(cls, model: keras.Model) -> Graph:
        """Returns the graph of a canonical model; the model stays as it is.

        Raises:
          ModelError: it is no tf_keras model, or a layer is called otherwise than with
            one tensor or one list.
        """
        check_tf_keras(model)
        graph = cls(model.name)
        specs: dict[int, LayerSpec] = {}
        made: dict[tuple[int, int], Node] = {}

        def tensor(value: Any) -> Tensor:
            layer, call, index = value._keras_history
            return Tensor(made[id(layer), call], index)

        for call in _calls(model):
            layer = call.layer
            if id(layer) not in specs:
                specs[id(layer)] = LayerSpec(layer, layer.get_weights())
            argument, options = _arguments(call)
            is_list = isinstance(argument, (list, tuple))
            values = [] if call.is_input else list(argument) if is_list else [argument]
            node = Node(specs[id(layer)], [tensor(v) for v in values], is_list, options)
            index = next(i for i, n in enumerate(layer._inbound_nodes) if n is call)
            made[id(layer), index] = node
            graph.nodes.append(node)
        graph.inputs = [tensor(value) for value in model.inputs]
        graph.outputs = [tensor(value) for value in model.outputs]
        return graph

    def to_model(self, make: Make | None = None) -> keras.Model:
        """Builds a tf_keras Functional model with new layers and the graph's weights.

        Args:
          make: makes the layer of a spec; the default copies it. Where it returns a
            wrapper, the weights go to the layer inside.
        """
        make = make or copy_layer
        layers = {id(node.spec): make(node.spec) for node in self.nodes}
        values: dict[Tensor, Any] = {}
        for node in self.nodes:
            layer = layers[id(node.spec)]
            if isinstance(layer, keras.layers.InputLayer):
                result = layer.output
            else:
                given = [values[tensor] for tensor in node.inputs]
                result = layer(given if node.is_list else given[0], **node.options)
            for index, value in enumerate(tf.nest.flatten(result)):
                values[Tensor(node, index)] = value
        for spec in {id(node.spec): node.spec for node in self.nodes}.values():
            layer = layers[id(spec)]
            if spec.weights:
                _set_weights(layer, spec.weights)
        ends = [[values[t] for t in side] for side in (self.inputs, self.outputs)]
        single = [end[0] if len(end) == 1 else end for end in ends]
        return keras.Model(*single, name=self.name)

    def consumers(self, tensor: Tensor) -> list[Node]:
        """Returns the nodes that take a tensor, each once, in order."""
        return [node for node in self.nodes if tensor in node.inputs]

    def only_consumer(self, tensor: Tensor) -> Node | None:
        """Returns the node that alone takes a tensor; None if it is not alone.

        An output of the model counts as taken by the user.
        """
        consumers = self.consumers(tensor)
        if len(consumers) != 1 or tensor in self.outputs:
            return None
        return consumers[0]

    def add(
        self,
        layer: keras.layers.Layer,
        inputs: Tensor | Sequence[Tensor],
        weights: list[np.ndarray] | None = None,
    ) -> Node:
        """Adds a call of a new layer, as early as its inputs allow, and returns it.

        Args:
          layer: a layer of which only class and settings count.
          inputs: one tensor, or a list where the layer takes a list.
          weights: in the order of `layer.get_weights()`.
        """
        is_list = not isinstance(inputs, Tensor)
        given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        node = Node(LayerSpec(layer, weights), given, is_list)
        last = max((self.nodes.index(tensor.node) for tensor in given), default=-1)
        self.nodes.insert(last + 1, node)
        return node

    def redirect(self, old: Tensor, new: Tensor, besides: Sequence[Node] = ()) -> None:
        """Makes all that takes `old`, the model's outputs too, take `new` instead.

        Args:
          old: the tensor to be replaced.
          new: what replaces it.
          besides: nodes that go on taking `old`.
        """
        for node in self.nodes:
            if node not in besides:
                node.inputs = [new if t == old else t for t in node.inputs]
        self.outputs = [new if t == old else t for t in self.outputs]
        self._sort()

    def remove(self, node: Node) -> None:
        """Takes out a node whose output nothing takes any more.

        Raises:
          ValueError: something still takes it.
        """
        taken = [t for n in self.nodes for t in n.inputs] + self.outputs
        if any(tensor.node is node for tensor in taken):
            raise ValueError(f"{node!r} is still in use")
        self.nodes.remove(node)

    def bypass(self, node: Node) -> None:
        """Takes out a node of one input and one output; its input stands in for it."""
        (given,) = node.inputs
        self.redirect(node.output, given)
        self.remove(node)

    def is_shared(self, node: Node) -> bool:
        """Returns whether other nodes call the same layer, and so share its weights."""
        return sum(other.spec is node.spec for other in self.nodes) > 1

    def names(self) -> set[str]:
        """Returns the names of all layers."""
        return {node.name for node in self.nodes}

    def free_name(self, name: str) -> str:
        """Returns `name`, or it with a number where a layer has that name already."""
        taken, number, free = self.names(), 1, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        return free

    def _sort(self) -> None:
        """Puts every node after its inputs again, else keeping the order."""
        placed: set[int] = set()
        ordered: list[Node] = []

        def place(start: Node) -> None:
            # An own stack: networks are deeper than Python's.
            stack = [start]
            while stack:
                node = stack[-1]
                open_inputs = [t.node for t in node.inputs if id(t.node) not in placed]
                if open_inputs:
                    stack.extend(reversed(open_inputs))
                    continue
                stack.pop()
                if id(node) not in placed:
                    placed.add(id(node))
                    ordered.append(node)

        for node in self.nodes:
            place(node)
        self.nodes = ordered


def _set_weights(layer: keras.layers.Layer, weights: list[np.ndarray]) -> None:
    if not isinstance(layer, keras.layers.Wrapper):
        layer.set_weights(weights)
        return
    # TF-MOT puts a tensor in the place of a kernel and keeps the variable itself.
    variables = [*layer.trainable_weights, *layer.layer.non_trainable_weights]
    for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)


def copy_layer(spec: LayerSpec) -> keras.layers.Layer:
    """Returns a new layer of the same class, settings and name, not built yet."""
    layer = spec.layer
    return type(layer).from_config(layer.get_config())


def _calls(model: keras.Model) -> Iterator[Any]:
    """Yields Keras' nodes of a Functional model, inputs first."""
    for _, calls in sorted(model._nodes_by_depth.items(), reverse=True):
        yield from calls


def _arguments(call: Any) -> tuple[Any, dict[str, Any]]:
    """Returns the tensors that a layer is called with, and the options beside."""
    if call.is_input:
        return None, {}
    argument, *others = call.call_args
    options = {k: v for k, v in call.call_kwargs.items() if v is not None}
    beside = tf.nest.flatten([others, options])
    if any(hasattr(value, "_keras_history") for value in beside):
        raise ModelError(
            f"layer {call.layer.name} is called with several tensors that are not one "
            "list; load the model with load_model first"
        )
    return argument, options
