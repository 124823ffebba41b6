"""How layers with a kernel couple channels: convolutions and dense layers.

A kernel is where channels begin and end: its inputs and its outputs need not be the
same ones. Depthwise kernels hand on what they get.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.channels.coupling import Call, Channels, Coupling, WallError
from tfcompress.channels.cut import IN, OUT, Cut, resized, take
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.layers.hard_swish import HardSigmoid, HardSwish
from tfcompress.layers.tanh_gelu import TanhGelu
from tfcompress.rewriting.graph import LayerSpec

_layers = keras.layers
TRANSPOSED = (
    _layers.Conv1DTranspose,
    _layers.Conv2DTranspose,
    _layers.Conv3DTranspose,
)
FULL = (
    *(_layers.Conv1D, _layers.Conv2D, _layers.Conv3D, _layers.Dense),
    *(*TRANSPOSED, GroupedConv2D),
)
DEPTHWISE = (_layers.DepthwiseConv1D, _layers.DepthwiseConv2D)
_NAMES = """
linear relu relu6 leaky_relu sigmoid tanh swish silu gelu elu selu exponential
hard_sigmoid softplus softsign mish
"""
_TF_NAMES = "relu relu6 leaky_relu sigmoid tanh silu gelu elu selu softplus softsign"
MIXES_CHANNELS = WallError("computes a softmax over all channels")
# By identity: a function of somebody else's may be called relu.
_POINTWISE = {
    *(keras.activations.get(name) for name in _NAMES.split()),
    *(getattr(tf.nn, name) for name in _TF_NAMES.split()),
}
_POINTWISE_LAYERS = (
    *(_layers.ReLU, _layers.LeakyReLU, _layers.ELU, _layers.ThresholdedReLU),
    *(HardSwish, HardSigmoid, TanhGelu),
)


def check_activation(layer: keras.layers.Layer) -> None:
    """Raises WallError unless the layer's activation takes each value by itself."""
    activation = layer.activation
    if type(activation) in _POINTWISE_LAYERS or _is_pointwise(activation):
        return
    name = getattr(activation, "__name__", type(activation).__name__)
    if "softmax" in name.lower():
        raise MIXES_CHANNELS
    raise WallError(f"has the activation {name}, which may read all channels")


def _is_pointwise(activation: Any) -> bool:
    return isinstance(activation, Hashable) and activation in _POINTWISE


def couple_kernel(coupling: Coupling, call: Call) -> Channels:
    """Couples a convolution or dense layer: its outputs are channels of their own."""
    call.need_last()
    (kernel, *_) = call.node.spec.weights or []
    is_transposed = isinstance(call.layer, TRANSPOSED)
    outputs = coupling.new(kernel.shape[-2 if is_transposed else -1], call.last)
    try:
        check_activation(call.layer)
    except WallError as wall:
        # What it is given may change all the same.
        coupling.freeze(outputs.ids, f"{call.node.name} {wall}")
    if (groups := getattr(call.layer, "groups", 1)) > 1:
        coupling.balance(call.given.ids.reshape(groups, -1))
        coupling.balance(outputs.ids.reshape(groups, -1))
    return outputs


def cut_kernel(spec: LayerSpec, inputs: Sequence[Cut], output: Cut) -> LayerSpec:
    """Returns a convolution or dense layer of the channels that are kept."""
    (given,) = inputs
    layer = spec.layer
    kernel, *biases = spec.weights or []
    if (groups := getattr(layer, "groups", 1)) > 1:
        kernel = _cut_grouped(kernel, groups, given, output)
    else:
        roles = (OUT, IN) if isinstance(layer, TRANSPOSED) else (IN, OUT)
        kernel = take(kernel, (*[None] * (kernel.ndim - 2), *roles), given, output)
    size = "units" if isinstance(layer, _layers.Dense) else "filters"
    biases = [take(bias, (OUT,), given, output) for bias in biases]
    return resized(spec, [kernel, *biases], **{size: len(output.kept)})


def _cut_grouped(
    kernel: np.ndarray, groups: int, given: Cut, output: Cut
) -> np.ndarray:
    """Cuts each part by the inputs that it sees; parts lose as many, not the same."""
    size = output.size // groups
    parts = [
        kernel[..., inputs, :][..., part * size + outputs]
        for part, (inputs, outputs) in enumerate(
            zip(given.parts(groups), output.parts(groups), strict=True)
        )
    ]
    return np.concatenate(parts, axis=-1)


def couple_depthwise(coupling: Coupling, call: Call) -> Channels:
    """Couples a depthwise convolution: `depth_multiplier` outputs with each input."""
    call.need_last()
    check_activation(call.layer)
    return Channels(call.last, np.repeat(call.given.ids, call.layer.depth_multiplier))


def cut_depthwise(spec: LayerSpec, inputs: Sequence[Cut], output: Cut) -> LayerSpec:
    """Returns a depthwise convolution of the channels that are kept."""
    (given,) = inputs
    kernel, *biases = spec.weights or []
    kernel = take(kernel, (*[None] * (kernel.ndim - 2), IN, None), given, output)
    biases = [take(bias, (OUT,), given, output) for bias in biases]
    return resized(spec, [kernel, *biases])
