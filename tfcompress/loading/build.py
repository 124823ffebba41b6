"""Building the layers of a graph, within a budget that is known beforehand."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError, TfcompressError
from tfcompress.rewriting.graph import Graph, Node, Tensor
from tfcompress.rewriting.keras_errors import first_line
from tfcompress.rewriting.shapes import tensor_shape

DEFAULT_MAX_BYTES = 8 * 2**30
# Values that layers make but do not store, such as the state of a random generator.
_UNSTORED_VALUES = 10_000
# Stands for a height or width that is open until a picture comes.
_OPEN_SIZE = 64
_FLOAT_BYTES = 4


def check_activations(graph: Graph, num_values: int, max_bytes: int) -> None:
    """Refuses a model that would not fit, before anything of it is built.

    Args:
      graph: of the model.
      num_values: weights of the model.
      max_bytes: that weights and the outputs of all layers for one image may take.

    Raises:
      ModelError: they take more, or a layer cannot be called with what it is given.
    """
    total = num_values * _FLOAT_BYTES
    for node in graph.nodes:
        for tensor in [*node.inputs, node.output]:
            if tensor.index >= _num_outputs(graph, tensor.node):
                raise ModelError(
                    f"layer {tensor.node.name} has no output {tensor.index}"
                )
        for index in range(_num_outputs(graph, node)):
            _, *sizes = tensor_shape(graph, Tensor(node, index)) or (1,)
            closed = [_OPEN_SIZE if size is None else size for size in sizes]
            total += math.prod(closed) * _FLOAT_BYTES
        if total > max_bytes:
            raise ModelError(
                f"at layer {node.name} it needs {total / 2**30:.3g} GiB for one image, "
                f"more than {max_bytes / 2**30:.3g} GiB; where that is meant, raise "
                "max_bytes= (on the command line --max_model_bytes)"
            )


def _num_outputs(graph: Graph, node: Node) -> int:
    tensor_shape(graph, node.output)
    count = 1
    while True:
        try:
            tensor_shape(graph, Tensor(node, count))
        except IndexError:
            return count
        count += 1


def build_layers(graph: Graph, num_values: int) -> None:
    """Makes the weights of all layers, as zeros, without calling them for good.

    Args:
      graph: of the model; its layers are built in place.
      num_values: that the weights may have, all in all.

    Raises:
      ModelError: the layers declare more weights, or one cannot be built.
    """
    with at_most(num_values):
        for node in graph.nodes:
            layer = node.layer
            if layer.built or isinstance(layer, keras.layers.InputLayer):
                continue
            shapes = [tf.TensorShape(tensor_shape(graph, t)) for t in node.inputs]
            try:
                _build(layer, shapes if node.is_list else shapes[0])
            except TfcompressError:
                raise
            except Exception as error:
                reason = first_line(error)
                raise ModelError(
                    f"layer {layer.name} cannot be built: {reason}; correct the model"
                ) from error


def _build(layer: keras.layers.Layer, shape: Any) -> None:
    if type(layer).__module__.startswith(("tf_keras.", "tfcompress.")):
        with tf.name_scope(layer.name):
            layer.build(shape)
    else:
        # A layer of the user may build its inner layers only when it is called.
        keras.layers.Layer.compute_output_shape(layer, shape)


@contextmanager
def at_most(num_values: int) -> Iterator[None]:
    """Refuses a variable that brings the sum over `num_values`, before it is made.

    Variables start as zeros: stored values are put in their place.
    """
    total = 0

    def create(next_creator: Any, **kwargs: Any) -> tf.Variable:
        nonlocal total
        shape = _declared_shape(**kwargs)
        total += math.prod(shape)
        if total > num_values + _UNSTORED_VALUES:
            raise ModelError("its layers declare more weights than it stores")
        dtype = tf.as_dtype(kwargs.get("dtype") or tf.int64)
        if shape and dtype.is_floating and callable(kwargs["initial_value"]):
            kwargs["initial_value"] = functools.partial(tf.zeros, shape, dtype)
        return next_creator(**kwargs)

    with tf.variable_creator_scope(create):
        yield


def _declared_shape(initial_value: Any, shape: Any = None, **_: Any) -> list[int]:
    if shape is None or tf.TensorShape(shape).rank is None:
        if callable(initial_value):
            # Keras 3 tells no shape; in a graph it is found without a value.
            with tf.Graph().as_default():
                initial_value = initial_value()
        shape = np.shape(initial_value)
    return list(tf.TensorShape(shape).as_list())
