"""What a model computes while some of its channels are zero, wherever they appear."""

import inspect

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.channels.dependency import find_dependencies, remove_channels
from tfcompress.rewriting.graph import Graph, Tensor


def masked(graph, dependencies, keep, images, adapt=False):
    """Returns the outputs of a graph whose removed channels are zero in every tensor.

    Each layer is called as it is, so that nothing of what is tested takes part.

    Args:
      graph: straight from `Graph.from_model`.
      dependencies: of it.
      keep: (number of groups,) whether each stays.
      images: an array for each input.
      adapt: whether every BatchNormalization gets the statistics of these images
        first, in place: with those of the whole network signals fade on their way.
    """
    values = dict(zip(graph.inputs, map(tf.constant, images), strict=True))
    for node in graph.nodes:
        if node.output in values:
            continue
        given = [values[tensor] for tensor in node.inputs]
        if adapt and isinstance(node.layer, keras.layers.BatchNormalization):
            axes = [a for a in range(given[0].ndim) if a not in node.layer.axis]
            mean, variance = tf.nn.moments(given[0], axes)
            node.layer.moving_mean.assign(mean)
            node.layer.moving_variance.assign(variance)
        options = dict(node.options)
        # Augmentation is on unless it is told otherwise.
        if "training" in inspect.signature(node.layer.call).parameters:
            options["training"] = False
        made = node.layer(given if node.is_list else given[0], **options)
        for index, value in enumerate(tf.nest.flatten(made)):
            tensor = Tensor(node, index)
            channels = dependencies.channels.get(tensor)
            if channels is not None and not keep[dependencies.of(tensor)].all():
                shape = [1] * len(value.shape)
                shape[channels.axis + 1] = -1
                mask = keep[dependencies.of(tensor)].reshape(shape)
                # Not times 0: what is divided by a removed channel is not a number.
                value = tf.where(mask, value, tf.zeros_like(value))
            values[tensor] = value
    return [values[tensor].numpy() for tensor in graph.outputs]


def removed(model, keep, ignore=()):
    """Returns the smaller model."""
    graph = Graph.from_model(model)
    remove_channels(graph, find_dependencies(graph, ignore), keep)
    return graph.to_model()


def outputs(model, images):
    """Returns the outputs of a model as a list of arrays."""
    made = model(images if len(images) > 1 else images[0], training=False)
    return [value.numpy() for value in tf.nest.flatten(made)]


def relative_error(ours, theirs):
    """Returns the largest difference, in terms of the largest value."""
    return max(
        float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
        for a, b in zip(ours, theirs, strict=True)
    )


def check_exact(model, keep, images, limit=1e-4):
    """Asserts that removal does what zeros do; returns the smaller model."""
    graph = Graph.from_model(model)
    theirs = masked(graph, find_dependencies(graph), keep, images)
    smaller = removed(model, keep)
    ours = outputs(smaller, images)
    assert relative_error(ours, theirs) <= limit
    return smaller
