"""Layers that scale and shift channels, merged, folded or made a convolution."""

from __future__ import annotations

import numpy as np
import tf_keras as keras

from tfcompress.rewriting.affine import (
    BATCH_NORMALIZATIONS,
    Affine,
    read_affine,
    to_rescaling,
)
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec, Node
from tfcompress.rewriting.linear import (
    can_change,
    fold_into,
    follows_linear,
    lone_affine,
    num_outputs,
    scale_outputs,
)
from tfcompress.rewriting.preprocessing import is_preprocessing
from tfcompress.rewriting.remake import own_name, remake
from tfcompress.rewriting.shapes import Shape, tensor_shape

_layers = keras.layers


def merge_affine(graph: Graph) -> list[Change]:
    """Makes one Rescaling of each chain of affine layers, named like its last."""
    changes = []
    for node in list(graph.nodes):
        affine = lone_affine(graph, node)
        later = graph.only_consumer(node.output)
        following = lone_affine(graph, later) if later else None
        if affine is None or later is None or following is None:
            continue
        name = own_name(graph, later)
        later.spec = LayerSpec(to_rescaling(name, affine.then(following)), [])
        later.options = {}
        graph.bypass(node)
        changes.append(Change(node.name, f"merged into {name}"))
    return changes


def fold_affine_backward(graph: Graph) -> list[Change]:
    """Folds affine layers into the layer that they alone follow.

    That is a convolution, a dense layer or a BatchNormalization, not a shared one. Of
    BatchNorm, only what follows no Conv2D or DepthwiseConv2D is folded.
    """
    changes = []
    for node in list(graph.nodes):
        affine = lone_affine(graph, node)
        if affine is None:
            continue
        given = node.inputs[0]
        before = given.node
        if graph.only_consumer(given) is not node or graph.is_shared(before):
            continue
        if type(before.layer) in BATCH_NORMALIZATIONS and read_affine(before):
            scale_batch_normalization(before, affine)
        elif can_change(graph, before) and affine.fits(num_outputs(before)):
            scale_outputs(before, affine)
        else:
            continue
        graph.bypass(node)
        changes.append(Change(node.name, f"folded into {before.name}"))
    return changes


def fold_norms(graph: Graph) -> list[Change]:
    """Folds each BatchNormalization into the layer with a kernel that it follows.

    A kernel that is rounded with one scale in all cannot take its factors afterwards.
    """
    changes = []
    for node in list(graph.nodes):
        affine = type(node.layer) in BATCH_NORMALIZATIONS and read_affine(node)
        if not affine or not follows_linear(graph, node):
            continue
        before = node.inputs[0].node
        if can_change(graph, before) and affine.fits(num_outputs(before)):
            scale_outputs(before, affine)
            graph.bypass(node)
            changes.append(Change(node.name, f"folded into {before.name}"))
    return changes


def fold_affine_forward(graph: Graph) -> list[Change]:
    """Folds affine layers into the convolution or dense layer that alone takes them.

    Not where that pads, since zeros from outside were not shifted; and not what
    prepares the model's input: scaled down by 255, say, a kernel is so small that an
    optimizer's first step wipes it out.
    """
    changes = []
    for node in list(graph.nodes):
        affine = lone_affine(graph, node)
        later = graph.only_consumer(node.output)
        if affine is None or later is None or is_preprocessing(node):
            continue
        target = fold_into(graph, affine, later)
        if target:
            graph.bypass(node)
            changes.append(Change(node.name, f"folded into {target.name}"))
    return changes


def fold_scale_through_multiply(graph: Graph) -> list[Change]:
    """Folds a factor that a Multiply takes into the convolution behind the Multiply.

    This is where the sixth of a hard sigmoid goes in squeeze-and-excitation.
    """
    changes = []
    for node in list(graph.nodes):
        affine = read_affine(node)
        product = graph.only_consumer(node.output)
        if affine is None or affine.scale.size > 1 or not affine.is_scale:
            continue
        if product is None or type(product.layer) is not _layers.Multiply:
            continue
        later = graph.only_consumer(product.output)
        if later is None or product.inputs.count(node.output) > 1:
            continue
        target = fold_into(graph, affine, later)
        if target:
            graph.bypass(node)
            changes.append(Change(node.name, f"folded into {target.name}"))
    return changes


def affine_to_depthwise(graph: Graph) -> list[Change]:
    """Makes a DepthwiseConv2D 1x1 with bias of every affine layer that is left.

    It has the name of the layer. One that stands for a layer of constants, such as
    Rescaling, is not trainable. What is no image goes through a Reshape.
    """
    found = [(node, lone_affine(graph, node)) for node in graph.nodes]
    affines = {node: affine for node, affine in found if affine}
    given = {node: tensor_shape(graph, node.inputs[0]) for node in affines}
    changes = []
    for node, affine in affines.items():
        shape = given[node]
        channels = shape[-1]
        # A Reshape finds one size that is not known, not two.
        if len(shape) != 4 and shape[1:].count(None) > 1:
            continue
        if channels is None or not affine.fits(channels):
            continue
        old = node.name
        text = _to_depthwise(graph, node, affine.channels(channels), shape)
        changes.append(Change(old, text))
    return changes


def scale_batch_normalization(node: Node, affine: Affine) -> None:
    """Makes a BatchNormalization put out what `affine` made of its output until now."""
    layer, weights = node.layer, node.spec.weights
    assert weights is not None
    *parameters, mean, variance = weights
    gamma = parameters[0] if layer.scale else np.ones_like(mean)
    beta = parameters[-1] if layer.center else np.zeros_like(mean)
    new = [gamma * affine.scale, beta * affine.scale + affine.offset]
    node.spec = LayerSpec(
        remake(layer, axis=-1, scale=True, center=True),
        [*(values.astype(np.float32) for values in new), mean, variance],
    )


def _to_depthwise(
    graph: Graph, node: Node, affine: tuple[np.ndarray, np.ndarray], shape: Shape
) -> str:
    scale, offset = affine
    constants = type(node.layer) in (_layers.Rescaling, _layers.Normalization)
    trainable = node.layer.trainable and not constants
    name = own_name(graph, node)
    depthwise = _layers.DepthwiseConv2D(1, name=name, trainable=trainable)
    weights = [scale.reshape(1, 1, -1, 1), offset]
    node.spec = LayerSpec(depthwise, [w.astype(np.float32) for w in weights])
    node.options = {}
    if len(shape) == 4:
        return "rewritten to DepthwiseConv2D 1x1"
    spread = _layers.Reshape(
        (-1, 1, shape[-1]), name=graph.free_name(f"{name}_as_image")
    )
    node.inputs = [graph.add(spread, node.inputs[0]).output]
    inner = tuple(-1 if size is None else size for size in shape[1:])
    back = _layers.Reshape(inner, name=graph.free_name(f"{name}_reshaped"))
    added = graph.add(back, node.output)
    graph.redirect(node.output, added.output, besides=[added])
    return "rewritten to DepthwiseConv2D 1x1 between Reshapes"
