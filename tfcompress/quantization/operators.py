"""What the runtime computes in int8, by kind of layer, and what it cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tf_keras as keras

from tfcompress.layers.channel_shuffle import ChannelShuffle
from tfcompress.layers.depth_to_space import DepthToSpace, SpaceToDepth
from tfcompress.layers.hard_swish import HardSwish, HardSwishGate
from tfcompress.layers.matrix_product import MatrixProduct
from tfcompress.layers.precision_change import PrecisionChange
from tfcompress.layers.slice import Slice
from tfcompress.layers.tanh_gelu import TanhGelu
from tfcompress.layers.window_average import BorderScale, WindowAverage
from tfcompress.rewriting.affine import read_affine
from tfcompress.rewriting.graph import Graph, Node
from tfcompress.rewriting.shapes import tensor_shape
from tfcompress.rewriting.training_only import TRAINING_ONLY

layers = keras.layers

# Attribute of the kernel, and how many of its last axes count output channels. The
# converter cannot carry a scale per channel through the transposition that it does
# to the kernels of Dense and Conv2DTranspose.
KERNELS: dict[type, tuple[str, int]] = {
    layers.Conv1D: ("kernel", 1),
    layers.Conv2D: ("kernel", 1),
    layers.Conv2DTranspose: ("kernel", 0),
    layers.DepthwiseConv2D: ("depthwise_kernel", 2),
    layers.Dense: ("kernel", 0),
}
# The runtime's operator takes in a ReLU or ReLU6 that follows.
TAKES_RELU = (
    layers.Conv1D,
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.Dense,
    layers.Add,
    layers.Subtract,
    layers.BatchNormalization,
)
COMPUTING = (
    layers.Add,
    layers.Subtract,
    layers.Multiply,
    layers.BatchNormalization,
    layers.Dot,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.LeakyReLU,
    layers.PReLU,
    BorderScale,
    HardSwish,
    HardSwishGate,
    MatrixProduct,
    TanhGelu,
    WindowAverage,
)
# Output steps are input steps: these operators have one scale for all their tensors.
MOVING = (
    layers.Concatenate,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Cropping3D,
    layers.Flatten,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.Maximum,
    layers.Minimum,
    layers.Permute,
    layers.RepeatVector,
    layers.Reshape,
    layers.UpSampling1D,
    layers.UpSampling3D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.ZeroPadding3D,
    ChannelShuffle,
    DepthToSpace,
    Slice,
    SpaceToDepth,
)
# One scale as well, but they make new values in between, which have to be rounded.
RESAMPLING = (
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.Resizing,
    layers.UpSampling2D,
)
_INT8 = (
    layers.InputLayer,
    layers.Activation,
    layers.ReLU,
    layers.Softmax,
    layers.UnitNormalization,
    PrecisionChange,
    *KERNELS,
    *COMPUTING,
    *MOVING,
    *RESAMPLING,
    *TRAINING_ONLY,
)
# With int16 activations and int8 weights.
_INT16 = (
    layers.Add,
    layers.AveragePooling2D,
    layers.BatchNormalization,
    layers.Flatten,
    layers.GlobalAveragePooling2D,
    layers.LeakyReLU,
    layers.MaxPooling2D,
    layers.Multiply,
    layers.Permute,
    layers.ReLU,
    layers.Reshape,
    layers.ZeroPadding2D,
    BorderScale,
    WindowAverage,
    *KERNELS,
    *TRAINING_ONLY,
)
# No operator at all, of the runtime's own.
_UNKNOWN = (layers.AveragePooling3D, layers.MaxPooling3D)
_INTERPOLATIONS = ("nearest", "bilinear")

_SIGNED = (-1.0, 127 / 128)
_UNIT = (0.0, 255 / 256)
_FIXED_RANGES = {
    "log_softmax": (-255 / 16, 0.0),
    "sigmoid": _UNIT,
    "softmax": _UNIT,
    "tanh": _SIGNED,
}
_ACTIVATIONS = ("exponential", "gelu", "relu", "relu6")


def kernel_of(layer: keras.layers.Layer) -> tuple[str, int] | None:
    """Returns the entry of `KERNELS` for a layer, or for what it is a kind of."""
    kinds = (kind for kind in type(layer).__mro__ if kind in KERNELS)
    return next((KERNELS[kind] for kind in kinds), None)


def why_impossible(node: Node) -> str:
    """Returns why a file cannot hold a layer, in float neither; nothing if it can."""
    layer = node.layer
    if node.options.get("training"):
        return "it is called with training=True, so acts as in training for good"
    if isinstance(layer, _UNKNOWN):
        return f"the runtime has no {type(layer).__name__}, in float neither"
    if isinstance(layer, (layers.Resizing, layers.UpSampling2D)):
        how = layer.interpolation
        known = how in _INTERPOLATIONS
        return "" if known else f"the runtime cannot resize by {how}, in float neither"
    return ""


def why_float(graph: Graph, node: Node) -> str:
    """Returns why a layer cannot compute in int8; nothing if it can."""
    for kind, reason in _REASONS.items():
        if isinstance(node.layer, kind):
            return reason(graph, node)
    name = type(node.layer).__name__
    known = isinstance(node.layer, _INT8)
    return "" if known else f"int8 inference of {name} is not known"


def why_not_int16(layer: keras.layers.Layer) -> str:
    """Returns why a layer cannot compute in int16; nothing if it can."""
    name = type(layer).__name__
    known = isinstance(layer, _INT16)
    return "" if known else f"int16 inference of {name} is not known"


def fixed_range(layer: keras.layers.Layer) -> tuple[float, float] | None:
    """Returns the range that the runtime demands of a layer's output, if any."""
    if isinstance(layer, layers.Softmax):
        return _UNIT
    if isinstance(layer, layers.UnitNormalization):
        return _SIGNED
    if isinstance(layer, HardSwishGate):
        return (0.0, layer.BOUND)
    if isinstance(layer, layers.Activation):
        return _FIXED_RANGES.get(_name_of(layer))
    return None


def is_plain_relu(layer: keras.layers.Layer) -> bool:
    """Returns whether a ReLU is one that the runtime's operators take in."""
    bound = layer.max_value
    plain = not layer.negative_slope and not layer.threshold
    return plain and (bound is None or float(bound) == 6.0)


def _name_of(activation: keras.layers.Activation) -> str:
    return str(keras.activations.serialize(activation.activation))


def _of_batch_normalization(graph: Graph, node: Node) -> str:
    (tensor,) = node.inputs
    if read_affine(node) is None:
        return "it normalizes along several axes"
    before = tensor.node.layer
    follows = isinstance(before, tuple(KERNELS)) and graph.only_consumer(tensor)
    return "" if follows else "this BatchNormalization follows no convolution"


def _of_activation(graph: Graph, node: Node) -> str:
    del graph
    name = _name_of(node.layer)
    known = name in (*_FIXED_RANGES, *_ACTIVATIONS)
    return "" if known else f"the runtime has no int8 operator for {name}"


def _of_layer_normalization(graph: Graph, node: Node) -> str:
    del graph, node
    return "the runtime has no int8 LayerNormalization"


def _of_relu(graph: Graph, node: Node) -> str:
    del graph
    plain = is_plain_relu(node.layer)
    return "" if plain else "a ReLU with a slope or bound has no int8 operator"


def _of_softmax(graph: Graph, node: Node) -> str:
    del graph
    several = np.size(node.layer.axis) > 1
    return "a softmax along several axes has no int8 operator" if several else ""


def _of_unit_normalization(graph: Graph, node: Node) -> str:
    rank = len(tensor_shape(graph, node.inputs[0]))
    axes = np.atleast_1d(node.layer.axis) % rank
    last = axes.tolist() == [rank - 1]
    return "" if last else "the runtime normalizes along the last axis only"


_REASONS: dict[type, Callable[[Graph, Node], str]] = {
    layers.Activation: _of_activation,
    layers.BatchNormalization: _of_batch_normalization,
    layers.LayerNormalization: _of_layer_normalization,
    layers.ReLU: _of_relu,
    layers.Softmax: _of_softmax,
    layers.UnitNormalization: _of_unit_normalization,
}
