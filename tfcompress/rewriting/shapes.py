"""Shapes of the tensors of a graph, by arithmetic: nothing is built or allocated."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.rewriting.graph import (
    Graph,
    LayerSpec,
    Node,
    Tensor,
    copy_layer,
)
from tfcompress.rewriting.keras_errors import first_line

# Sizes by axis, the batch first; None where they are not known before a call.
Shape = tuple[int | None, ...]


class _Known(NamedTuple):
    spec: LayerSpec
    inputs: list[Tensor]
    shapes: list[Shape]


_known: WeakKeyDictionary[Node, _Known] = WeakKeyDictionary()


def tensor_shape(graph: Graph, tensor: Tensor) -> Shape:
    """Returns the shape of a tensor, with the batch first.

    What was found is kept with the nodes, until they get another layer or other inputs.

    Raises:
      ModelError: a layer cannot be called with what it is given.
    """
    # In the order of the graph: a network may be deeper than Python's stack.
    for node in [] if _is_known(tensor.node) else graph.nodes:
        if not _is_known(node):
            _known[node] = _Known(node.spec, [*node.inputs], _output_shapes(node))
    return _known[tensor.node].shapes[tensor.index]


def _is_known(node: Node) -> bool:
    known = _known.get(node)
    return known is not None and known[:2] == (node.spec, node.inputs)


def _output_shapes(node: Node) -> list[Shape]:
    layer = node.layer
    if isinstance(layer, keras.layers.InputLayer):
        return _flat(tf.nest.map_structure(lambda t: t.shape, layer.output))
    given: list[Any] = [_known[t.node].shapes[t.index] for t in node.inputs]
    # Keras' own way to find a shape builds the layer; this one must stay unbuilt.
    if type(layer).compute_output_shape is keras.layers.Layer.compute_output_shape:
        layer = copy_layer(node.spec)
    try:
        shapes = _flat(layer.compute_output_shape(given if node.is_list else given[0]))
    except Exception as error:
        raise _refusal(layer, given, first_line(error)) from error
    # Keras finds a window that is larger than the image only when it builds.
    if any(size is not None and size < 1 for shape in shapes for size in shape[1:]):
        raise _refusal(layer, given, "nothing is left of it")
    return shapes


def _refusal(layer: keras.layers.Layer, given: list[Shape], why: str) -> ModelError:
    shapes = " and ".join(map(str, given))
    return ModelError(
        f"layer {layer.name} cannot be called with an input of shape {shapes} "
        f"({why}); correct the model"
    )


def _flat(shapes: Any) -> list[Shape]:
    """Returns a list of shapes from whatever a layer says."""
    if isinstance(shapes, tf.TensorShape):
        return [tuple(shapes.as_list())]
    if all(size is None or isinstance(size, int) for size in shapes):
        return [tuple(shapes)]
    return [shape for part in shapes for shape in _flat(part)]
