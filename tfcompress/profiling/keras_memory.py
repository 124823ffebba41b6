"""The steps of a Keras model for the memory plan: each call of each layer."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfcompress.profiling.keras_calls import size
from tfcompress.profiling.memory_plan import Buffer, MemoryPlan, Step, plan_memory

_TFMOT_LAYERS = frozenset({"PruneLowMagnitude", "QuantizeWrapperV2", "QuantizeLayer"})
_Keys = Mapping[int, Hashable]


def graph_of(model: Any) -> Any:
    """Returns the object that holds a model's graph; a Sequential one has it inside."""
    return getattr(model, "_functional", None) or model


def layer_of(node: Any) -> Any:
    """Returns the layer that a node calls, of either Keras."""
    return getattr(node, "layer", None) or node.operation


def is_tfmot(layer: Any) -> bool:
    """Returns whether a layer is one of TF-MOT's wrappers, or its QuantizeLayer."""
    return type(layer).__name__ in _TFMOT_LAYERS


def unwrapped(layer: Any) -> Any:
    """Returns the layer inside TF-MOT's wrapper, or the layer itself."""
    return getattr(layer, "layer", layer) if is_tfmot(layer) else layer


def inputs_of(node: Any) -> list[Any]:
    """Returns the tensors that a node takes, of either Keras."""
    found = getattr(node, "keras_inputs", None)
    return list(tf.nest.flatten(found or node.input_tensors))


def num_bytes(tensor: Any) -> int:
    """Returns the bytes of a symbolic tensor at a batch of 1."""
    dtype = np.dtype(tf.as_dtype(tensor.dtype).as_numpy_dtype)
    return size(tuple(tensor.shape)) * dtype.itemsize


def plan_keras_memory(model: Any, names: Sequence[str]) -> MemoryPlan | None:
    """Plans the memory of activations, as if each layer ran for itself.

    Args:
      model: Functional or Sequential.
      names: of its layers, a nested model's as `outer/inner`.

    Returns:
      The plan, by layers; of a layer that is called more than once the call at which
      most bytes are alive counts.
    """
    graph = graph_of(model)
    live_bytes = dict.fromkeys(names, 0)
    # The input of a Sequential model is a layer that it does not list.
    steps = [step for step in _steps(model, "", "", {}) if step.name in live_bytes]
    plan = plan_memory(
        steps, _buffers(graph.inputs, "", {}), _buffers(graph.outputs, "", {})
    )
    if plan is None:
        return None
    for step, live in zip(steps, plan.live_bytes, strict=True):
        live_bytes[step.name] = max(live, live_bytes[step.name])
    peak_op = list(names).index(steps[plan.peak_op].name)
    return MemoryPlan(plan.peak_bytes, peak_op, tuple(live_bytes[n] for n in names))


def _steps(model: Any, prefix: str, scope: str, keys: _Keys) -> Iterator[Step]:
    """Yields the calls of layers in order, those of nested models in their place.

    Args:
      model: whose layers are called.
      prefix: of the layers' names.
      scope: tells the tensors of one call of a nested model from those of another.
      keys: of tensors that are the caller's.
    """
    nodes_by_depth = graph_of(model)._nodes_by_depth
    nodes = [
        node for d in sorted(nodes_by_depth, reverse=True) for node in nodes_by_depth[d]
    ]
    for number, node in enumerate(nodes):
        layer = unwrapped(layer_of(node))
        taken = _buffers(inputs_of(node), scope, keys)
        given = _buffers(node.outputs, scope, keys)
        if not hasattr(layer, "layers"):
            yield Step(f"{prefix}{layer.name}", taken, given)
            continue
        graph = graph_of(layer)
        inner: dict[int, Hashable] = {}
        for tensors, buffers in ((graph.outputs, given), (graph.inputs, taken)):
            flat = tf.nest.flatten(tensors)
            inner.update(
                (id(tensor), buffer.key)
                for tensor, buffer in zip(flat, buffers, strict=True)
            )
        yield from _steps(layer, f"{prefix}{layer.name}/", f"{scope}/{number}", inner)


def _buffers(tensors: Any, scope: str, keys: _Keys) -> list[Buffer]:
    return [
        Buffer(keys.get(id(tensor), (scope, id(tensor))), num_bytes(tensor))
        for tensor in tf.nest.flatten(tensors)
    ]
