"""Convolutions and dense layers, and affine maps folded into their weights."""

from __future__ import annotations

import numpy as np
import tf_keras as keras

from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.rewriting.affine import BATCH_NORMALIZATIONS, Affine, read_affine
from tfcompress.rewriting.graph import Graph, LayerSpec, Node
from tfcompress.rewriting.remake import remake
from tfcompress.rewriting.training_only import DROPOUTS

_layers = keras.layers
_DEPTHWISE = (_layers.DepthwiseConv1D, _layers.DepthwiseConv2D)
_TRANSPOSE = (
    _layers.Conv1DTranspose,
    _layers.Conv2DTranspose,
    _layers.Conv3DTranspose,
)
_CONVOLUTIONS = (_layers.Conv1D, _layers.Conv2D, _layers.Conv3D, *_DEPTHWISE)
_PADDINGS = (
    _layers.ZeroPadding1D,
    _layers.ZeroPadding2D,
    _layers.ZeroPadding3D,
)
# Layers of one kernel and perhaps one bias that take an `activation=`; what a subclass
# of somebody else's does with its kernel is not known.
KERNEL_LAYERS = (*_CONVOLUTIONS, *_TRANSPOSE, GroupedConv2D, _layers.Dense)
# The converter folds a BatchNorm that follows, as kernels are rounded by channel; into
# the one scale of a Dense kernel it cannot, and computes in float.
_KEEPS_NORM = (_layers.Conv2D, _layers.DepthwiseConv2D, GroupedConv2D)


def is_linear(node: Node) -> bool:
    """Returns whether a node is kernel and bias and nothing else, channels last."""
    layer = node.layer
    return (
        type(layer) in KERNEL_LAYERS
        and layer.activation is keras.activations.linear
        and getattr(layer, "data_format", "channels_last") == "channels_last"
        and node.spec.weights is not None
    )


def follows_linear(graph: Graph, node: Node) -> bool:
    """Returns whether a node alone takes the output of a linear one."""
    given = node.inputs[0]
    return is_linear(given.node) and graph.only_consumer(given) is node


def lone_affine(graph: Graph, node: Node) -> Affine | None:
    """Returns the map of an affine node, unless it is a BatchNorm behind its layer.

    That one is left to training, and to the converter, which folds it.
    """
    is_norm = type(node.layer) in BATCH_NORMALIZATIONS
    before = type(node.inputs[0].node.layer) if node.inputs else None
    if is_norm and before in _KEEPS_NORM and follows_linear(graph, node):
        return None
    return read_affine(node)


def can_change(graph: Graph, node: Node) -> bool:
    """Returns whether a node is linear and has its weights for itself."""
    return is_linear(node) and not graph.is_shared(node)


def num_outputs(node: Node) -> int:
    """Returns the number of channels that a linear node puts out."""
    return len(_kernel_and_bias(node)[1])


def num_inputs(node: Node) -> int:
    """Returns the number of channels that a linear node takes."""
    kernel = _kernel_and_bias(node)[0]
    if isinstance(node.layer, _TRANSPOSE):
        return int(kernel.shape[-1])
    return int(kernel.shape[-2]) * int(getattr(node.layer, "groups", 1))


def scale_outputs(node: Node, affine: Affine) -> None:
    """Makes a linear node put out what `affine` made of its output until now."""
    kernel, bias = _kernel_and_bias(node)
    scale, offset = affine.channels(len(bias))
    if isinstance(node.layer, _TRANSPOSE):
        kernel = kernel * scale[:, None]
    elif isinstance(node.layer, _DEPTHWISE):
        kernel = kernel * scale.reshape(kernel.shape[-2:])
    else:
        kernel = kernel * scale
    _replace(node, kernel, bias * scale + offset)


def scale_inputs(node: Node, affine: Affine) -> None:
    """Makes a linear node do to its input what `affine` did to it until now.

    Where the node pads with zeros that `affine` did not see, its offset must be zero.
    """
    kernel, bias = _kernel_and_bias(node)
    scale, offset = affine.channels(num_inputs(node))
    if isinstance(node.layer, _TRANSPOSE):
        _replace(node, kernel * scale, bias)
        return
    if isinstance(node.layer, _DEPTHWISE):
        scale, offset = scale[:, None], offset[:, None]
        summed = tuple(range(kernel.ndim - 2))
    else:
        scale, offset = (_by_group(v, node.layer, kernel) for v in (scale, offset))
        summed = tuple(range(kernel.ndim - 1))
    shift = (kernel * offset).sum(axis=summed)
    _replace(node, kernel * scale, bias + shift.ravel())


def output_bounds(node: Node) -> np.ndarray:
    """Returns the largest absolute weight of each output channel of a linear node."""
    kernel = np.abs(_kernel_and_bias(node)[0])
    if isinstance(node.layer, _TRANSPOSE):
        kernel = np.swapaxes(kernel, -1, -2)
    axes = 2 if isinstance(node.layer, _DEPTHWISE) else 1
    return kernel.max(axis=tuple(range(kernel.ndim - axes))).ravel()


def input_bounds(node: Node) -> np.ndarray:
    """Returns the largest absolute weight that each input channel of one meets."""
    kernel = np.abs(_kernel_and_bias(node)[0])
    kernel = kernel.max(axis=tuple(range(kernel.ndim - 2)))
    if isinstance(node.layer, _TRANSPOSE):
        return kernel.max(axis=0)
    # By input, part of a grouped convolution, and output of that part.
    parts = kernel.reshape(len(kernel), getattr(node.layer, "groups", 1), -1)
    return parts.max(axis=-1).T.ravel()


def fold_into(graph: Graph, affine: Affine, later: Node) -> Node | None:
    """Folds a map of what a node takes into it, or behind it if it pads or drops out.

    Returns:
      The node that does now what `affine` did; None where nothing was folded.
    """
    passes = type(later.layer) in _PADDINGS and affine.is_scale
    if passes or type(later.layer) in DROPOUTS:
        following = graph.only_consumer(later.output)
        return following and fold_into(graph, affine, following)
    if not can_change(graph, later) or not affine.fits(num_inputs(later)):
        return None
    if pads(later) and not affine.is_scale:
        return None
    scale_inputs(later, affine)
    return later


def pads(node: Node) -> bool:
    """Returns whether a linear node sees zeros around its input."""
    layer = node.layer
    if isinstance(layer, _layers.Dense):
        return False
    if isinstance(layer, _TRANSPOSE):
        return True
    return layer.padding != "valid" and any(size > 1 for size in layer.kernel_size)


def _by_group(
    values: np.ndarray, layer: keras.layers.Layer, kernel: np.ndarray
) -> np.ndarray:
    """Spreads values of input channels over a kernel's last two axes."""
    groups = getattr(layer, "groups", 1)
    columns = values.reshape(groups, -1).T
    return np.repeat(columns, kernel.shape[-1] // groups, axis=1)


def _kernel_and_bias(node: Node) -> tuple[np.ndarray, np.ndarray]:
    assert node.spec.weights is not None
    kernel, *biases = (w.astype(np.float64) for w in node.spec.weights)
    if biases:
        return kernel, biases[0]
    if isinstance(node.layer, _TRANSPOSE):
        return kernel, np.zeros(kernel.shape[-2])
    if isinstance(node.layer, _DEPTHWISE):
        return kernel, np.zeros(kernel.shape[-2] * kernel.shape[-1])
    return kernel, np.zeros(kernel.shape[-1])


def _replace(node: Node, kernel: np.ndarray, bias: np.ndarray) -> None:
    use_bias = node.layer.use_bias or bool(np.any(bias))
    weights = [kernel, bias] if use_bias else [kernel]
    node.spec = LayerSpec(
        remake(node.layer, use_bias=use_bias),
        [weight.astype(np.float32) for weight in weights],
    )
