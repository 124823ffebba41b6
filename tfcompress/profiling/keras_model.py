"""Static profile of a Keras model, by walking its graph.

Layers are told by class name, so that tf_keras and Keras 3 models go the same way.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfcompress.errors import ModelError
from tfcompress.loading import load_model
from tfcompress.profiling.counts import (
    LayerProfile,
    Totals,
    batch_notes,
    batch_size_of,
)
from tfcompress.profiling.keras_calls import Call
from tfcompress.profiling.keras_folding import count_folded_params
from tfcompress.profiling.keras_layers import (
    count_flops,
    count_macs,
    is_counted,
)
from tfcompress.profiling.keras_memory import (
    graph_of,
    inputs_of,
    is_tfmot,
    layer_of,
    num_bytes,
    plan_keras_memory,
    unwrapped,
)
from tfcompress.profiling.profile import Profile
from tfcompress.profiling.tflite_graph import read_file

_RAW_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda"})
_TFMOT_VARIABLES = ("_min", "_max", "_step", "_leaders", "/mask", "/threshold")


def profile_keras_model(model: Any, path: Path | None = None) -> Profile:
    """Profiles a Functional or Sequential model of tf_keras or Keras 3.

    A kernel of n weights costs n multiply-accumulates at each output position, or at
    each input position where it is transposed; this is exact for grouped, depthwise
    and separable convolutions too, with padding counted. TF-MOT's wrappers are looked
    through. Bytes and memory are those of a model whose layers run one by one. Raw
    operations are counted as the layers that `load_model` makes of them.

    Args:
      model: built, with sizes known but for the batch.
      path: of the file it came from; it is weighed for `size_bytes`.

    Raises:
      ModelError: the model is subclassed or not built, a size is open, or it has raw
        operations of Keras 3 that no layers can be made of.
    """
    found = _with_layers_only(model)
    source, model = str(path or model.name), found
    try:
        layers = tuple(_layer_profiles(model, "", 1))
    except ModelError as error:
        # It names the layer; this may be one of several models.
        raise ModelError(f"{source}: {error}") from error
    memory = plan_keras_memory(model, [layer.name for layer in layers])
    nodes = [node for found in _nodes_by_layer(model).values() for node in found]
    batch_size = batch_size_of(tuple(tensor.shape) for tensor in graph_of(model).inputs)
    is_flat = not any(hasattr(layer, "layers") for layer in model.layers)
    totals = Totals.of(
        layers,
        trainable_params=sum(
            math.prod(weight.shape) for weight in model.trainable_weights
        ),
        folded_params=count_folded_params(nodes) if is_flat else None,
        content=read_file(path) if path and path.is_file() else None,
        memory=memory,
        batch_size=batch_size,
    )
    return Profile(
        source=source,
        format="keras",
        totals=totals,
        layers=layers,
        memory=memory,
        notes=(*batch_notes(batch_size), *_notes(model)),
    )


def _with_layers_only(model: Any) -> Any:
    """Returns the model, or what loading makes of one with raw operations.

    Those of tf_keras are layers too, if of unknown content: should loading refuse them,
    the model is counted as it is, and each is noted.
    """
    raw = list(_raw_operations(model))
    if not raw:
        return model
    try:
        return load_model(model, check_outputs=False)
    except ModelError:
        if all(type(operation).__name__ in _RAW_LAYERS for operation in raw):
            return model
        raise


def _raw_operations(model: Any) -> Iterator[Any]:
    for node, *_ in _nodes_by_layer(model).values():
        layer = unwrapped(layer_of(node))
        if hasattr(layer, "layers"):
            yield from _raw_operations(layer)
        elif type(layer).__name__ in _RAW_LAYERS or not hasattr(layer, "weights"):
            yield layer


def _layer_profiles(model: Any, prefix: str, calls: int) -> Iterator[LayerProfile]:
    nodes = _nodes_by_layer(model)
    for layer in model.layers:
        if hasattr(layer, "layers"):
            num_calls = calls * len(nodes[id(layer)])
            yield from _layer_profiles(layer, f"{prefix}{layer.name}/", num_calls)
        else:
            yield _layer_profile(layer, nodes[id(layer)], prefix, calls)


def _nodes_by_layer(model: Any) -> dict[int, list[Any]]:
    nodes_by_depth = getattr(graph_of(model), "_nodes_by_depth", None)
    if not nodes_by_depth:
        raise ModelError(
            f"cannot count on the model {getattr(model, 'name', model)!r}: expected a "
            "built Functional or Sequential Keras model, or the path of a model file; "
            "write a subclassed model as a Functional one"
        )
    nodes = defaultdict(list)
    for depth in nodes_by_depth.values():
        for node in depth:
            nodes[id(layer_of(node))].append(node)
    return nodes


def _layer_profile(
    wrapper: Any, nodes: list[Any], prefix: str, calls: int
) -> LayerProfile:
    layer = unwrapped(wrapper)
    name = f"{prefix}{layer.name}"
    weights = _weights(wrapper)
    kernels = [values for key, values in weights if key.endswith("kernel")]
    num_kernel_params = sum(kernel.size for kernel in kernels)
    weight_bytes: Counter[str] = Counter()
    for _, values in weights:
        weight_bytes[values.dtype.name] += values.nbytes
    macs = flops = read_bytes = written_bytes = 0
    for node in nodes:
        taken, given = inputs_of(node), tf.nest.flatten(node.outputs)
        call = Call(layer, name, _shapes(taken), _shapes(given), num_kernel_params)
        node_macs = count_macs(call)
        macs += calls * node_macs
        flops += calls * count_flops(call, node_macs)
        read_bytes += calls * (sum(map(num_bytes, taken)) + weight_bytes.total())
        written_bytes += calls * sum(map(num_bytes, given)) if taken else 0
    output = tf.nest.flatten(nodes[0].outputs)[0]
    return LayerProfile(
        name=name,
        type=type(layer).__name__,
        output_shape=tuple(output.shape)[1:],
        params=sum(values.size for _, values in weights),
        nonzero_params=sum(int(np.count_nonzero(values)) for _, values in weights),
        macs=macs,
        kernel_params=num_kernel_params,
        nonzero_kernel_params=sum(int(np.count_nonzero(k)) for k in kernels),
        trainable_params=sum(math.prod(w.shape) for w in wrapper.trainable_weights),
        dtype=tf.as_dtype(output.dtype).name,
        flops=flops,
        weight_bytes=dict(weight_bytes),
        read_bytes=read_bytes,
        written_bytes=written_bytes,
    )


def _shapes(tensors: list[Any]) -> list[tuple[int | None, ...]]:
    return [tuple(tensor.shape) for tensor in tensors]


def _weights(wrapper: Any) -> list[tuple[str, np.ndarray]]:
    """Returns names and values of a layer's weights, without those of TF-MOT.

    Of the wrapper's list: under QAT the layer's own kernel is a quantized tensor.
    """
    named = [(weight.name.split(":")[0], weight) for weight in wrapper.weights]
    return [
        (name, np.asarray(weight))
        for name, weight in named
        if not (is_tfmot(wrapper) and name.endswith(_TFMOT_VARIABLES))
    ]


def _notes(model: Any) -> Iterator[str]:
    """Yields a line for each layer that may multiply, and is not counted."""
    for layer in model.layers:
        inner = unwrapped(layer)
        if hasattr(inner, "layers"):
            yield from _notes(inner)
        elif not is_counted(inner):
            yield (
                f"layer {inner.name!r} ({type(inner).__name__}) is counted as 0 "
                "multiply-accumulates: what it computes is not known"
            )
