"""Building the fake-quantized model."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import numpy as np
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.layers.hard_swish import HardSwishGate
from tfcompress.quantization.kept_weights import rounded_kernels
from tfcompress.quantization.operators import kernel_of
from tfcompress.quantization.plan import Plan, make_plan
from tfcompress.quantization.quantizers import ActivationQuantizer
from tfcompress.quantization.shared_values import Sharing, find_sharing
from tfcompress.rewriting.equalization import equalize_layers
from tfcompress.rewriting.graph import Graph, LayerSpec, copy_layer
from tfcompress.rewriting.prepare import prepare_for_quantization

# A kernel has two axes or more; zeros of a bias are nobody's.
_KERNEL_RANK = 2


def fake_quantize(
    model: keras.Model,
    keep_float: Sequence[str] = (),
    preprocessing: str = "keep",
    operators: str = "fast",
    equalize: bool = False,
) -> keras.Model:
    """Returns a model that rounds where the int8 runtime will round.

    Its ranges are not set: `calibrate` does that. Zeros of a kernel stay zero, and
    where its weights share a few values, equal ones stay equal.

    Args:
      model: a canonical model; stays as it is.
      keep_float: shell-style patterns of layers that may compute in float where the
        runtime has no int8 operator for them.
      preprocessing: what becomes of a Rescaling or Normalization at the input; see
        `prepare_for_quantization`.
      operators: "fast" or "builtin"; see there too.
      equalize: whether kernels that follow one another are first given channels of
        like size; see `equalize_layers`.

    Raises:
      ModelError: a layer has no int8 operator and is not in `keep_float`.
    """
    graph, plan = _plan(model, keep_float, preprocessing, operators)
    if equalize:
        equalize_layers(graph)
    _quantize_inputs(graph, plan)

    def make(spec: LayerSpec) -> keras.layers.Layer:
        if isinstance(spec.layer, quantize_layer.QuantizeLayer):
            return spec.layer
        layer = copy_layer(spec)
        if isinstance(layer, HardSwishGate):
            layer.clips = False
        if spec.name not in plan.configs:
            return layer
        return quantize_wrapper.QuantizeWrapperV2(layer, plan.configs[spec.name])

    quantized = graph.to_model(make)
    for _, kernel, quantizer, weights in rounded_kernels(quantized):
        quantizer.set_sharing(kernel, weights)
    return quantized


def check_quantizable(
    model: keras.Model,
    keep_float: Sequence[str] = (),
    preprocessing: str = "keep",
    operators: str = "fast",
) -> None:
    """Raises what `fake_quantize` would raise, without building anything."""
    _plan(model, keep_float, preprocessing, operators)


def _plan(
    model: keras.Model, keep_float: Sequence[str], preprocessing: str, operators: str
) -> tuple[Graph, Plan]:
    if any(isinstance(x, quantize_wrapper.QuantizeWrapper) for x in model.layers):
        raise ModelError(
            f"{model.name!r} is quantized already; expected the model before its "
            "QuantizationAware stage"
        )
    graph = Graph.from_model(model)
    prepare_for_quantization(graph, preprocessing, operators)
    plan = make_plan(graph, _sparse_layers(graph), _sharing_layers(graph))
    names = {layer.name for layer in model.layers} | {n.name for n in graph.nodes}
    for pattern in keep_float:
        if not fnmatch.filter(names, pattern):
            raise InvalidArgumentError(
                f"keep_float: no layer of {model.name!r} is called {pattern!r}"
            )
    _check_possible(plan.impossible, model.name)
    _check_float(plan.unsupported, keep_float, model.name)
    return graph, plan


def _check_possible(impossible: dict[str, str], model: str) -> None:
    """Refuses layers that no file can hold."""
    for name, reason in impossible.items():
        raise ModelError(
            f"layer {name!r} of {model!r} cannot be exported: {reason}; replace it"
        )


def _check_float(
    unsupported: dict[str, str], keep_float: Sequence[str], model: str
) -> None:
    """Refuses layers without an int8 operator that no pattern allows."""
    refused = {
        name: reason
        for name, reason in unsupported.items()
        # An activation inside a layer goes by the layer's name as well.
        if not any(
            fnmatch.fnmatch(name, pattern)
            or fnmatch.fnmatch(name.removesuffix("_activation"), pattern)
            for pattern in keep_float
        )
    }
    if not refused:
        return
    name, reason = next(iter(refused.items()))
    more = f" (and {len(refused) - 1} more layers)" if len(refused) > 1 else ""
    raise ModelError(
        f"layer {name!r} of {model!r} cannot be quantized: {reason}{more}; replace it, "
        f"or let it compute in float with keep_float=({name!r},)"
    )


def _quantize_inputs(graph: Graph, plan: Plan) -> None:
    for tensor, group in zip(list(graph.inputs), plan.input_groups, strict=True):
        layer = quantize_layer.QuantizeLayer(
            ActivationQuantizer(group), name=graph.free_name("quantize_input")
        )
        node = graph.add(layer, tensor)
        graph.redirect(tensor, node.output, besides=[node])


def _sparse_layers(graph: Graph) -> set[str]:
    """Returns the layers with zeros among their kernel, but not zeros only."""
    return {
        node.name
        for node in graph.nodes
        for array in (node.spec.weights or [])[:1]
        if array.ndim >= _KERNEL_RANK and 0 < np.count_nonzero(array) < array.size
    }


def _sharing_layers(graph: Graph) -> dict[str, Sharing]:
    """Returns within what weights share a few values, by name of the layer."""
    found = {}
    for node in graph.nodes:
        kernel = kernel_of(node.layer)
        if kernel and node.spec.weights:
            sharing = find_sharing(node.spec.weights[0], num_channel_axes=kernel[1])
            if sharing:
                found[node.name] = sharing
    return found
