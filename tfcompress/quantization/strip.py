"""From a fake-quantized model back to a plain one, and its integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_aware_activation,
    quantize_layer,
    quantize_wrapper,
)

from tfcompress.errors import ModelError
from tfcompress.layers.hard_swish import HardSwishGate
from tfcompress.layers.precision_change import PrecisionChange
from tfcompress.quantization.quantizers import (
    FixedRangeQuantizer,
    WeightKeeper,
    WeightQuantizer,
)
from tfcompress.rewriting.check import check_tf_keras
from tfcompress.rewriting.graph import Graph, LayerSpec, copy_layer

_NUM_STEPS = 255
_LOWEST = -128


@dataclass(frozen=True, eq=False)
class LayerIntegers:
    """What is rounded of one layer: real value = scale * (integer - zero point).

    A BatchNormalization that follows is no part of it. The exporter folds it in by way
    of the scales: in the file they are multiplied by `abs(gamma / sqrt(variance +
    epsilon))`, and where gamma is negative the integers of that channel have the other
    sign. Biases are int32 in the file, in steps of the input's scale times the
    weights'.

    Args:
      integers: of the kernel, int8 from -127 to 127, in Keras' layout; None where the
        layer has none.
      scales: float32, one for each output channel, which are the last axis (of
        depthwise kernels the last two), or one in all.
      zero_points: 0 for each scale.
      output_scale: of the output; None where the next layer rounds, or where the
        output has the values of the input.
      output_zero_point: None where `output_scale` is.
    """

    integers: npt.NDArray[np.int8] | None = None
    scales: npt.NDArray[np.float32] | None = None
    zero_points: npt.NDArray[np.int64] | None = None
    output_scale: float | None = None
    output_zero_point: int | None = None


@dataclass(frozen=True, eq=False)
class StrippedModel:
    """A model without fake quantization.

    Args:
      model: plain Keras layers; kernels have the values that the integers stand for.
      layers: what was rounded, by name of the layer in `model`, inputs among them.
    """

    model: keras.Model
    layers: Mapping[str, LayerIntegers]


def strip_quantization(model: keras.Model) -> StrippedModel:
    """Returns the plain model inside a fake-quantized one, and its integers.

    Args:
      model: what `QuantizationAware` or TF-MOT's `quantize_model` returned; stays as
        it is.

    Returns:
      A model of the same layers that rounds nothing while it runs, and for each layer
      int8 weights, scales and zero points: those of the .tflite file, except for
      BatchNormalization, see `LayerIntegers`.

    Raises:
      ModelError: the model is not quantized.

    Example:
      >>> stripped = tfc.strip_quantization(model)
      >>> stripped.layers["stem_conv"].integers.dtype
      dtype('int8')
    """
    check_tf_keras(model)
    wrappers = (quantize_wrapper.QuantizeWrapper, quantize_layer.QuantizeLayer)
    if not any(isinstance(layer, wrappers) for layer in model.layers):
        raise ModelError(
            f"{model.name!r} is not quantized; expected the model that its "
            "QuantizationAware stage returned"
        )
    graph = Graph.from_model(model)
    layers: dict[str, LayerIntegers] = {}
    for node in list(graph.nodes):
        layer = node.layer
        if isinstance(layer, quantize_layer.QuantizeLayer):
            scale = _scale(layer.quantizer, layer.quantizer_vars)
            layers[node.inputs[0].node.name] = LayerIntegers(**scale)
            graph.bypass(node)
        elif isinstance(change := getattr(layer, "layer", layer), PrecisionChange):
            name = node.inputs[0].node.name
            # What layers in int8 and int16 give has a scale of its own.
            given = layers.get(name)
            if change.to != "float" and given and given.output_scale is None:
                layers[name] = replace(given, **_output(layer))
            graph.bypass(node)
        elif isinstance(layer, quantize_wrapper.QuantizeWrapper):
            layers[layer.layer.name] = _unwrap(node.spec, layer)
    return StrippedModel(graph.to_model(_plain_layer), layers)


def _unwrap(
    spec: LayerSpec, wrapper: quantize_wrapper.QuantizeWrapper
) -> LayerIntegers:
    """Puts the layer inside, its kernel rounded, in the place of its wrapper."""
    variables = [*wrapper.trainable_weights, *wrapper.layer.non_trainable_weights]
    fields = _output(wrapper)
    rounded = {}
    for kernel, quantizer, ranges in wrapper._weight_vars:
        values = quantizer(kernel, training=False, weights=ranges).numpy()
        rounded[id(kernel)] = values
        if type(quantizer) is not WeightKeeper:
            fields |= _kernel(values, _weight_steps(quantizer, kernel, ranges))
    spec.layer = wrapper.layer
    spec.weights = [
        rounded.get(id(variable), variable.numpy()) for variable in variables
    ]
    return LayerIntegers(**fields)


def _kernel(
    values: npt.NDArray[np.float32], scales: npt.NDArray[np.float32]
) -> dict[str, Any]:
    # Channels are the last axes, however many: the scales fit the flattened kernel.
    integers = np.rint(values.reshape(-1, scales.size) / scales).astype(np.int8)
    return {
        "integers": integers.reshape(values.shape),
        "scales": scales,
        "zero_points": np.zeros(scales.shape, np.int64),
    }


def _weight_steps(
    quantizer: Any, kernel: Any, ranges: Mapping[str, Any]
) -> npt.NDArray[np.float32]:
    if isinstance(quantizer, WeightQuantizer):
        steps = quantizer.step(kernel)
    else:
        low, high = _bounds(quantizer, ranges)
        steps = (high - low) / (_NUM_STEPS - 1)
    return np.atleast_1d(np.asarray(steps, np.float32))


def _output(wrapper: quantize_wrapper.QuantizeWrapper) -> dict[str, Any]:
    """Returns the scale of a layer's output, if it is rounded."""
    for quantizer in wrapper._output_quantizers:
        ranges = getattr(wrapper, "_output_quantizer_vars", {})
        return _scale(quantizer, ranges)
    for activation in wrapper._quantize_activations:
        if activation._should_post_quantize():
            return _scale(activation.quantizer, activation._post_activation_vars)
    return {}


def output_bounds(layer: keras.layers.Layer) -> tuple[float, float] | None:
    """Returns the smallest and largest output of a layer that rounds; else None.

    Args:
      layer: of a model that `QuantizationAware` returned.
    """
    if isinstance(layer, quantize_layer.QuantizeLayer):
        low, high = _bounds(layer.quantizer, layer.quantizer_vars)
        return float(low), float(high)
    for quantizer in getattr(layer, "_output_quantizers", ()):
        low, high = _bounds(quantizer, layer._output_quantizer_vars)
        return float(low), float(high)
    return None


def _scale(quantizer: Any, ranges: Mapping[str, Any]) -> dict[str, Any]:
    if getattr(quantizer, "is_wide", False):
        return {"output_scale": quantizer.step(ranges), "output_zero_point": 0}
    low, high = _bounds(quantizer, ranges)
    scale = float(high - low) / _NUM_STEPS
    zero_point = np.clip(np.rint(-low / scale), 0, _NUM_STEPS) + _LOWEST
    return {"output_scale": scale, "output_zero_point": int(zero_point)}


def _bounds(quantizer: Any, ranges: Mapping[str, Any]) -> tuple[Any, Any]:
    if isinstance(quantizer, FixedRangeQuantizer):
        return quantizer.low, quantizer.high
    # Ours are called min and max, TF-MOT's min_var and max_var.
    bounds = {key[:3]: variable.numpy() for key, variable in ranges.items()}
    return bounds["min"], bounds["max"]


def _plain_layer(spec: LayerSpec) -> keras.layers.Layer:
    activation = getattr(spec.layer, "activation", None)
    if not isinstance(activation, quantize_aware_activation.QuantizeAwareActivation):
        layer = copy_layer(spec)
        if isinstance(layer, HardSwishGate):
            # Nothing rounds its output any more, which held it to its bounds.
            layer.clips = True
        return layer
    inside = activation.activation
    name = getattr(inside, "__name__", "linear")  # TF-MOT's NoOpActivation has none.
    config = spec.layer.get_config() | {"activation": name}
    return type(spec.layer).from_config(config)
