"""Parameters and multiply-accumulates of a Keras model, by walking its graph.

Layers are told by class name, so that tf_keras and Keras 3 models go the same way.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfcompress.errors import ModelError
from tfcompress.profiling.profile import LayerProfile, Profile, Totals

_PER_OUTPUT = frozenset(
    {
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
        "Dense",
    }
)
_PER_INPUT = frozenset({"Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"})
_TFMOT_LAYERS = frozenset({"PruneLowMagnitude", "QuantizeWrapperV2", "QuantizeLayer"})
_TFMOT_VARIABLES = ("_min", "_max", "_step", "_leaders", "/mask", "/threshold")


def profile_keras_model(model: Any, path: Path | None = None) -> Profile:
    """Profiles a Functional or Sequential model of tf_keras or Keras 3.

    A kernel of n weights costs n multiply-accumulates at each output position, or at
    each input position where it is transposed; this is exact for grouped, depthwise
    and separable convolutions too, with padding counted. Layers without a kernel
    count as 0. TF-MOT's wrappers are looked through.

    Args:
      model: built, with sizes known but for the batch.
      path: of the file it came from; it is weighed for `size_bytes`.

    Raises:
      ModelError: the model is subclassed or not built, or a size is open.
    """
    layers = tuple(_layer_profiles(model, "", 1))
    return Profile(
        source=str(path) if path else str(model.name),
        format="keras",
        totals=Totals.of(
            layers,
            trainable_params=sum(
                math.prod(weight.shape) for weight in model.trainable_weights
            ),
            path=path if path and path.is_file() else None,
        ),
        layers=layers,
    )


def _layer_profiles(model: Any, prefix: str, calls: int) -> Iterator[LayerProfile]:
    nodes = _nodes_by_layer(model)
    for layer in model.layers:
        if hasattr(layer, "layers"):
            num_calls = calls * len(nodes[id(layer)])
            yield from _layer_profiles(layer, f"{prefix}{layer.name}/", num_calls)
        else:
            yield _layer_profile(layer, nodes[id(layer)], prefix, calls)


def _nodes_by_layer(model: Any) -> dict[int, list[Any]]:
    graph = getattr(model, "_functional", None) or model
    nodes_by_depth = getattr(graph, "_nodes_by_depth", None)
    if not nodes_by_depth:
        raise ModelError(
            f"cannot count on the model {getattr(model, 'name', model)!r}: expected a "
            "built Functional or Sequential Keras model, or the path of a model file; "
            "write a subclassed model as a Functional one"
        )
    nodes = defaultdict(list)
    for depth in nodes_by_depth.values():
        for node in depth:
            layer = getattr(node, "layer", None) or node.operation
            nodes[id(layer)].append(node)
    return nodes


def _layer_profile(
    wrapper: Any, nodes: list[Any], prefix: str, calls: int
) -> LayerProfile:
    is_tfmot = type(wrapper).__name__ in _TFMOT_LAYERS
    layer = getattr(wrapper, "layer", wrapper) if is_tfmot else wrapper
    # The wrapper's list: under QAT the layer's own kernel is a quantized tensor.
    weights = [
        (name, weight.numpy())
        for weight in wrapper.weights
        if not (name := weight.name.split(":")[0]).endswith(_TFMOT_VARIABLES)
        or not is_tfmot
    ]
    kernels = [values for name, values in weights if name.endswith("kernel")]
    num_kernel_params = sum(kernel.size for kernel in kernels)
    name = f"{prefix}{layer.name}"
    return LayerProfile(
        name=name,
        type=type(layer).__name__,
        output_shape=_shape(nodes[0].outputs)[1:],
        params=sum(values.size for _, values in weights),
        nonzero_params=sum(int(np.count_nonzero(values)) for _, values in weights),
        macs=calls * sum(_macs(layer, node, name, num_kernel_params) for node in nodes),
        kernel_params=num_kernel_params,
        nonzero_kernel_params=sum(int(np.count_nonzero(k)) for k in kernels),
    )


def _macs(layer: Any, node: Any, name: str, num_kernel_params: int) -> int:
    """Multiply-accumulates of one call, for one image."""
    if type(layer).__name__ != "MatrixProduct":
        return num_kernel_params * _positions(layer, node, name)
    inputs = getattr(node, "keras_inputs", None) or node.input_tensors
    # Each number of the product is a sum along the last axis of its first factor.
    *_, length = _shape(inputs)
    return math.prod(side or 1 for side in _shape(node.outputs)) * (length or 1)


def _positions(layer: Any, node: Any, name: str) -> int:
    """Number of places at which the layer's kernel is applied in one call."""
    classes = {base.__name__ for base in type(layer).__mro__}
    if classes & _PER_INPUT:
        inputs = getattr(node, "keras_inputs", None) or node.input_tensors
        shape = _shape(inputs)
    elif classes & _PER_OUTPUT:
        shape = _shape(node.outputs)
    else:
        return 0
    is_channels_first = getattr(layer, "data_format", None) == "channels_first"
    sides = shape[2:] if is_channels_first else shape[1:-1]
    if None in sides:
        raise ModelError(
            f"cannot count the multiply-accumulates of layer {name!r}: its sides are "
            f"open, {sides}; build the model with a fixed input_shape"
        )
    return math.prod(side or 1 for side in sides)


def _shape(tensors: Any) -> tuple[int | None, ...]:
    return tuple(tf.nest.flatten(tensors)[0].shape)
