"""Biases of a fake-quantized model, as the file will hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)


def round_biases(model: keras.Model) -> None:
    """Rounds the biases of `model` in place, to whole steps of their int32.

    The runtime adds a bias to the sum of products, in steps of the input's scale times
    the kernel's. That is far finer than the output, but a sum that lay close to the
    middle of two output steps falls to the other side, and in a deep network the
    difference grows from layer to layer. A BatchNormalization behind the layer counts
    as part of it, and its `beta` takes the change.

    Args:
      model: fake-quantized, with its ranges set and its training done.

    References:
      Jacob et al., arXiv:1712.05877, section 2.4, equation 11.
    """
    for layer in model.layers:
        if isinstance(layer, quantize_wrapper.QuantizeWrapper) and layer._weight_vars:
            _round_bias(layer)


def _round_bias(wrapper: quantize_wrapper.QuantizeWrapper) -> None:
    """Rounds the bias of one layer with a rounded kernel."""
    input_steps = {_step(node.input_tensors) for node in wrapper.inbound_nodes}
    if len(input_steps) > 1:
        return  # A layer that is shared by inputs of several scales has no one grid.
    kernel, quantizer, _ = wrapper._weight_vars[0]
    kernel_step = quantizer.step(kernel)
    layer, norm = wrapper.layer, _norm_behind(wrapper)
    bias = layer.bias.numpy() if layer.use_bias else 0.0
    factor, target = 1.0, layer.bias if layer.use_bias else None
    if norm is not None:
        factor = 1 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        factor *= norm.gamma.numpy() if norm.scale else 1.0
        shift = norm.beta.numpy() if norm.center else 0.0
        bias = (bias - norm.moving_mean.numpy()) * factor + shift
        target = norm.beta if norm.center else None
    if target is None:
        return
    step = input_steps.pop() * kernel_step * np.abs(factor)
    step = np.where(step > 0, step, 1.0)  # A gamma of 0 leaves no grid.
    target.assign_add(np.round(bias / step) * step - bias)


def _norm_behind(layer: keras.layers.Layer) -> Any:
    """Returns the BatchNormalization that alone takes a layer's output, or None."""
    if len(layer.outbound_nodes) != 1:
        return None
    after = layer.outbound_nodes[0].layer
    after = getattr(after, "layer", after)
    return after if isinstance(after, keras.layers.BatchNormalization) else None


def _step(tensor: Any) -> float:
    """Returns the scale of a tensor, which the quantizer nearest before it has set."""
    layer, index, _ = tensor._keras_history
    if isinstance(layer, quantize_layer.QuantizeLayer):
        return layer.quantizer.step(layer.quantizer_vars)
    for quantizer in getattr(layer, "_output_quantizers", ()):
        return quantizer.step(layer._output_quantizer_vars)
    inputs = layer.inbound_nodes[index].input_tensors
    return _step(inputs[0] if isinstance(inputs, list) else inputs)
