"""Building the fake-quantized model."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)

from tfcompress.errors import ModelError
from tfcompress.layers.hard_swish import HardSwishGate
from tfcompress.loading.live import is_quantized
from tfcompress.quantization.float_layers import (
    change_precision,
    find_precisions,
)
from tfcompress.quantization.kept_weights import kept_kernels
from tfcompress.quantization.operators import kernel_of
from tfcompress.quantization.plan import Plan, make_plan
from tfcompress.quantization.quantizers import ActivationQuantizer
from tfcompress.quantization.shared_values import Sharing, find_sharing
from tfcompress.rewriting.affine_layers import fold_norms
from tfcompress.rewriting.equalization import equalize_layers
from tfcompress.rewriting.float32 import float32_policy, in_float32
from tfcompress.rewriting.graph import Graph, LayerSpec, copy_layer
from tfcompress.rewriting.prepare import prepare_for_quantization

# A kernel has two axes or more; zeros of a bias are nobody's.
_KERNEL_RANK = 2


@float32_policy()
def fake_quantize(
    model: keras.Model, *, equalize: bool = False, **options: Any
) -> keras.Model:
    """Returns a model that rounds where the int8 runtime will round.

    Its ranges are not set: `calibrate` does that. Zeros of a kernel stay zero, and
    where its weights share a few values, equal ones stay equal.

    Args:
      model: a canonical model; stays as it is.
      equalize: whether kernels that follow one another are first given channels of
        like size; see `equalize_layers`.
      **options: `keep_float` and `keep_int16`: shell-style patterns of layers that
        compute in float, or with int16 activations; see `find_precisions`.
        `preprocessing`: what becomes of a Rescaling or Normalization at the input; see
        `prepare_for_quantization`. `operators`: "fast" or "builtin"; see there too.
        `per_channel`: whether convolutions have a scale for each output channel; one
        scale in all wants BatchNormalizations folded first.

    Raises:
      InvalidArgumentError: a pattern names no layer that computes.
      ModelError: a layer has no int8 operator and is not in `keep_float`.
    """
    graph, plan = _plan(model, **options)
    _check_supported(plan, model.name)
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
    for _, kernel, quantizer, weights in kept_kernels(quantized):
        quantizer.set_sharing(kernel, weights)
    return quantized


def check_quantizable(model: keras.Model, **options: Any) -> set[str]:
    """Raises what `fake_quantize` would raise, without building anything.

    Args:
      model: a canonical model.
      **options: of `fake_quantize`, but `equalize`.

    Returns:
      The names of the layers that there would be.
    """
    graph, plan = _plan(model, **options)
    _check_supported(plan, model.name)
    return graph.names()


def patterns_of(names: Iterable[str]) -> tuple[str, ...]:
    """Returns for `keep_float` what names these layers and no others."""
    return tuple(map(glob.escape, names))


def layers_without_int8(model: keras.Model, **options: Any) -> tuple[str, ...]:
    """Returns what must be in `keep_float`: layers without an int8 operator.

    Args:
      model: a canonical model.
      **options: of `fake_quantize`, but `equalize`; `keep_float` names more layers.
    """
    return patterns_of(_plan(model, **options)[1].unsupported)


def _plan(
    model: keras.Model,
    keep_float: Sequence[str] = (),
    keep_int16: Sequence[str] = (),
    preprocessing: str = "keep",
    operators: str = "fast",
    per_channel: bool = True,
) -> tuple[Graph, Plan]:
    if is_quantized(model.layers):
        raise ModelError(
            f"{model.name!r} is quantized already; expected the model before its "
            "QuantizationAware stage"
        )
    graph = Graph.from_model(in_float32(model))
    prepare_for_quantization(graph, preprocessing, operators)
    if not per_channel:
        fold_norms(graph)
    names = [layer.name for layer in model.layers]
    precisions = find_precisions(graph, names, keep_float, keep_int16)
    change_precision(graph, precisions)
    sparse, sharing = _sparse_layers(graph), _sharing_layers(graph)
    return graph, make_plan(graph, sparse, sharing, precisions, per_channel)


def _check_supported(plan: Plan, model: str) -> None:
    """Refuses layers that no file can hold, and those that only float could compute."""
    for name, reason in plan.impossible.items():
        raise ModelError(
            f"layer {name!r} of {model!r} cannot be exported: {reason}; replace it"
        )
    for name, reason in plan.unsupported.items():
        others = len(plan.unsupported) - 1
        more = f" (and {others} more layers)" if others else ""
        raise ModelError(
            f"layer {name!r} of {model!r} cannot be quantized: {reason}{more}; replace "
            f"it, or let it compute in float with keep_float=({name!r},)"
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
