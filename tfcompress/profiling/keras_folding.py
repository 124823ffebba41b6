"""How many parameters of a Keras model its float32 .tflite file has.

The converter folds a BatchNorm into the kernel before it, gives every convolution
biases, and drops a dense layer's biases that are all zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfcompress.profiling.keras_memory import inputs_of, layer_of, unwrapped

_DENSE = frozenset({"Dense"})
_CONVOLUTIONS = frozenset({"Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D"}) | {
    *("DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
}
_SEPARABLE = frozenset({"SeparableConv1D", "SeparableConv2D"})
_NORMALIZATIONS = frozenset({"BatchNormalization", "Normalization"})


def count_folded_params(nodes: Sequence[Any]) -> int:
    """Returns the parameters that the file of a model has.

    Args:
      nodes: of the model's graph, which has no models nested in it.
    """
    makers = {id(t): node for node in nodes for t in tf.nest.flatten(node.outputs)}
    num_takers: dict[int, int] = {}
    for node in nodes:
        for tensor in inputs_of(node):
            num_takers[id(tensor)] = num_takers.get(id(tensor), 0) + 1
    folding, folded = set(), set()
    for node in nodes:
        taken = inputs_of(node)
        if "BatchNormalization" not in _kinds(layer_of(node)) or len(taken) != 1:
            continue
        maker = makers.get(id(taken[0]))
        if maker is not None and num_takers[id(taken[0])] == 1:
            before = layer_of(maker)
            if _takes_a_scale(before):
                folding.add(id(before))
                folded.add(id(layer_of(node)))
    layers = {id(layer_of(node)): node for node in nodes}
    return sum(
        _stored(node, key in folding)
        for key, node in layers.items()
        if key not in folded
    )


def _takes_a_scale(layer: Any) -> bool:
    layer = unwrapped(layer)
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    kinds = _kinds(layer) & (_CONVOLUTIONS | _SEPARABLE | _DENSE)
    return bool(kinds) and activation == "linear"


def _stored(node: Any, is_followed_by_norm: bool) -> int:
    layer = unwrapped(layer_of(node))
    kinds = _kinds(layer)
    total = sum(math.prod(weight.shape) for weight in layer.weights)
    given = _num_channels(layer, node.outputs)
    if kinds & _NORMALIZATIONS:
        # One factor and one summand for each channel.
        return 2 * given
    if not kinds & (_CONVOLUTIONS | _SEPARABLE | _DENSE):
        return total
    bias = layer.bias if layer.use_bias else None
    kernels = total - (0 if bias is None else math.prod(bias.shape))
    if kinds & _DENSE and not is_followed_by_norm:
        has_bias = bias is not None and bool(np.any(np.asarray(bias)))
        return kernels + (given if has_bias else 0)
    if kinds & _SEPARABLE:
        # The depthwise half has biases of its own.
        taken = _num_channels(layer, inputs_of(node))
        return kernels + given + taken * layer.depth_multiplier
    return kernels + given


def _num_channels(layer: Any, tensors: Any) -> int:
    shape = tuple(tf.nest.flatten(tensors)[0].shape)
    is_first = getattr(layer, "data_format", None) == "channels_first"
    return int(shape[1 if is_first else -1] or 1)


def _kinds(layer: Any) -> set[str]:
    return {base.__name__ for base in type(unwrapped(layer)).__mro__}
