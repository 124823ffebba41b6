"""What is measured of a model's channels on images, and of its BatchNorm."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.channels.elementwise import POINTWISE
from tfcompress.channels.importance import LayerStatistics
from tfcompress.channels.kernels import DEPTHWISE, FULL, TRANSPOSED
from tfcompress.rewriting.float32 import in_float32
from tfcompress.rewriting.forward import call_layer, forward
from tfcompress.rewriting.graph import Graph, Node, Tensor

_BATCH_SIZE = 32
_NORM = keras.layers.BatchNormalization
_FOLLOWING = (*POINTWISE, keras.layers.Activation, _NORM)


def kernel_statistics(
    graph: Graph, seed: int, measured: dict[str, tuple[np.ndarray, np.ndarray]]
) -> list[LayerStatistics]:
    """Returns what is known of each layer with a kernel, in the model's order.

    Args:
      graph: of a canonical model.
      seed: of the random numbers that a criterion may use.
      measured: (Taylor, activation) of each layer, by name, where needed.
    """
    found: dict[str, LayerStatistics] = {}
    random = np.random.default_rng(seed)
    for node in graph.nodes:
        if node.name in found or not isinstance(node.layer, (*FULL, *DEPTHWISE)):
            continue
        taylor, activation = measured.get(node.name, (None, None))
        found[node.name] = LayerStatistics(
            node.name, _columns(node), _gamma(graph, node), taylor, activation, random
        )
    return list(found.values())


def _columns(node: Node) -> np.ndarray:
    """Returns a kernel as (weights of a channel, output channels)."""
    (kernel, *_) = node.spec.weights or []
    if isinstance(node.layer, DEPTHWISE):
        # Channels and multiplier, in this order, are the output channels.
        return kernel.reshape(-1, kernel.shape[-2] * kernel.shape[-1])
    if isinstance(node.layer, TRANSPOSED):
        kernel = np.swapaxes(kernel, -1, -2)
    return kernel.reshape(-1, kernel.shape[-1])


def _gamma(graph: Graph, node: Node) -> np.ndarray | None:
    following = graph.only_consumer(node.output)
    layer = following.layer if following else None
    if not isinstance(layer, _NORM) or not layer.scale:
        return None
    return np.asarray(layer.gamma)


def measure_channels(
    graph: Graph, images: np.ndarray, labels: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns the Taylor importance and the mean activation of each channel.

    Both are taken behind the BatchNorm and activation that follow a layer. The loss
    is the cross entropy of the logits.

    Args:
      graph: of a canonical model with one input and one output, straight from
        `Graph.from_model`: its layers are called.
      images: (num_images, height, width, channels).
      labels: class ids (num_images,).
    """
    ends: dict[str, Tensor] = {}
    for node in graph.nodes:
        if isinstance(node.layer, (*FULL, *DEPTHWISE)):
            ends.setdefault(node.name, _end(graph, node))

    @tf.function
    def measure(pictures: tf.Tensor, classes: tf.Tensor) -> list[tuple[tf.Tensor, ...]]:
        with tf.GradientTape() as tape:
            values = forward(graph, pictures)
            logits = values[graph.outputs[0]]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)
        tensors = [values[end] for end in ends.values()]
        gradients = tape.gradient(
            losses, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        pairs = zip(tensors, gradients, strict=True)
        return [_sums(tensor, gradient) for tensor, gradient in pairs]

    totals: list[list[np.ndarray]] | None = None
    for start in range(0, len(images), _BATCH_SIZE):
        part = slice(start, start + _BATCH_SIZE)
        found = measure(tf.constant(images[part]), tf.constant(labels[part]))
        sums = [[value.numpy() for value in pair] for pair in found]
        totals = sums if totals is None else _added(totals, sums)
    assert totals is not None
    return {
        name: (taylor / len(images), activation / len(images))
        for name, (taylor, activation) in zip(ends, totals, strict=True)
    }


def _end(graph: Graph, node: Node) -> Tensor:
    """Returns the tensor behind the BatchNorm and activation of a layer."""
    tensor = node.output
    while (following := graph.only_consumer(tensor)) is not None and isinstance(
        following.layer, _FOLLOWING
    ):
        tensor = following.output
    return tensor


def _sums(tensor: tf.Tensor, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (Taylor, activation) of each channel, summed over the images."""
    pixels = list(range(1, len(tensor.shape) - 1))
    product = tf.reduce_sum(tensor * gradient, pixels)
    activation = tf.reduce_mean(tf.abs(tensor), pixels)
    return tf.reduce_sum(tf.abs(product), 0), tf.reduce_sum(activation, 0)


def _added(
    totals: list[list[np.ndarray]], sums: list[list[np.ndarray]]
) -> list[list[np.ndarray]]:
    return [
        [total + part for total, part in zip(*pairs, strict=True)]
        for pairs in zip(totals, sums, strict=True)
    ]


def reestimate_batch_normalization(
    model: keras.Model, images: np.ndarray, batch_size: int = 128
) -> None:
    """Sets the moving statistics of every BatchNormalization anew, in place.

    Without some of its channels a layer gives other means and variances, and stale ones
    cost more accuracy than the channels did. New ones are means over the batches; all
    other layers run in inference mode, and no weight is trained.

    Args:
      model: a canonical model with one input.
      images: (num_images, height, width, channels).
      batch_size: images that statistics are taken over at a time.
    """
    graph = Graph.from_model(in_float32(model))
    norms = [layer for layer in model.layers if isinstance(layer, _NORM)]
    if not norms:
        return

    @tf.function
    def statistics(pictures: tf.Tensor) -> dict[str, list[tf.Tensor]]:
        found: dict[str, list[tf.Tensor]] = {norm.name: [] for norm in norms}

        def call(node: Node, given: Any) -> tf.Tensor:
            if not isinstance(node.layer, _NORM):
                return call_layer(node, given)
            found[node.name].append(tf.stack(_moments(node.layer, given)))
            return _normalized(node.layer, given)

        forward(graph, pictures, call)
        return {name: tf.reduce_mean(both, 0) for name, both in found.items()}

    starts = range(0, len(images), batch_size)
    parts = [images[start : start + batch_size] for start in starts]
    batches = [statistics(tf.constant(part)) for part in parts]
    sizes = [len(part) for part in parts]
    for norm in norms:
        found = [batch[norm.name] for batch in batches]
        mean, variance = np.average(found, axis=0, weights=sizes)
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)


def _moments(norm: Any, given: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    (axis,) = (number % len(given.shape) for number in norm.axis)
    axes = [number for number in range(len(given.shape)) if number != axis]
    mean, variance = tf.nn.moments(given, axes)
    return mean, variance


def _normalized(norm: Any, given: tf.Tensor) -> tf.Tensor:
    """Returns what the layer computes with the statistics of this batch."""
    (axis,) = (number % len(given.shape) for number in norm.axis)
    axes = [number for number in range(len(given.shape)) if number != axis]
    mean, variance = tf.nn.moments(given, axes, keepdims=True)
    shape = [-1 if number == axis else 1 for number in range(len(given.shape))]
    gamma, beta = (
        None if weight is None else tf.reshape(weight, shape)
        for weight in (norm.gamma, norm.beta)
    )
    return tf.nn.batch_normalization(given, mean, variance, beta, gamma, norm.epsilon)
