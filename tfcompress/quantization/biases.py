"""Biases of a fake-quantized model, as the file will hold them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)

from tfcompress.quantization.calibration import batches
from tfcompress.quantization.quantizers import NUM_BITS, WeightQuantizer

# Of the int32 of a bias in the file; the rest is for the sum of products.
_MAX_STEPS = 0.9 * 2**31
# What counts as a bias of zero, which fits any steps but those of 0.
_MIN_BIAS = 1e-6


def round_biases(model: keras.Model) -> None:
    """Rounds the biases of `model` in place, to whole steps of their int32.

    The runtime adds a bias to the sum of products, in steps of the input's scale times
    the kernel's. That is far finer than the output, but a sum that lay close to the
    middle of two output steps falls to the other side, and in a deep network the
    difference grows from layer to layer. A BatchNormalization behind the layer counts
    as part of it, and its `beta` takes the change.

    Where kernel or gamma are so small that the bias is more steps than an int32 has,
    the channel's largest weight grows, which makes its steps larger. Where that is
    farther from the kernel than zeros are, or one scale is that of all channels, the
    kernel becomes zero, or the gamma large enough: what the channel adds to its bias
    is too little to be seen in 8 bits.

    Args:
      model: fake-quantized, with its ranges set and its training done.

    References:
      Jacob et al., arXiv:1712.05877, section 2.4, equation 11.
    """
    for layer in model.layers:
        if _has_kernel(layer):
            _round_bias(layer)


def correct_biases(model: keras.Model, images: np.ndarray, batch_size: int) -> None:
    """Takes off biases, in place, what rounding a kernel adds to its outputs' means.

    Rounding errors of a kernel do not cancel where its inputs have a mean, as they have
    after a ReLU. Each layer is given the mean of what it is given by `model` itself,
    and its bias corrected by the mean of what the kernel's rounding makes of it.

    Args:
      model: fake-quantized and calibrated.
      images: float array `(num_images, height, width, channels)`.
      batch_size: images in one forward pass.

    References:
      Nagel et al., Data-Free Quantization Through Weight Equalization and Bias
      Correction, arXiv:1906.04721, section 4.2, equation 17; the means are measured.
    """
    wrappers = [layer for layer in model.layers if _has_kernel(layer)]
    alone = [wrapper for wrapper in wrappers if len(wrapper.inbound_nodes) == 1]
    inputs = [wrapper.inbound_nodes[0].input_tensors for wrapper in alone]
    tensors = keras.Model(model.inputs, inputs)
    sums: list[Any] = [0.0] * len(alone)
    for batch in batches(images, batch_size):
        values = tensors(batch, training=False)
        values = values if isinstance(values, list) else [values]
        sums = [s + tf.reduce_sum(v, axis=0) for s, v in zip(sums, values, strict=True)]
    for wrapper, total in zip(alone, sums, strict=True):
        bias = _bias_of(wrapper)
        if bias.variable is not None:
            change = _change_by_rounding(wrapper, total / len(images))
            bias.variable.assign_sub(change * bias.factor)


def _has_kernel(layer: keras.layers.Layer) -> bool:
    """Returns whether a layer has a kernel that is rounded."""
    kernels = getattr(layer, "_weight_vars", ())
    return any(isinstance(quantizer, WeightQuantizer) for _, quantizer, _ in kernels)


class _Bias(NamedTuple):
    """What a layer, or the BatchNormalization behind it, adds to each channel.

    `factor` is what the BatchNormalization multiplies by; `variable` is what has to
    change for the bias to change, None where there is nothing.
    """

    value: Any
    factor: Any
    variable: tf.Variable | None


def _bias_of(wrapper: quantize_wrapper.QuantizeWrapper) -> _Bias:
    layer, norm = wrapper.layer, _norm_behind(wrapper)
    bias = layer.bias.numpy() if layer.use_bias else 0.0
    if norm is None:
        return _Bias(bias, 1.0, layer.bias if layer.use_bias else None)
    factor = 1 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    factor *= norm.gamma.numpy() if norm.scale else 1.0
    shift = norm.beta.numpy() if norm.center else 0.0
    bias = (bias - norm.moving_mean.numpy()) * factor + shift
    return _Bias(bias, factor, norm.beta if norm.center else None)


def _round_bias(wrapper: quantize_wrapper.QuantizeWrapper) -> None:
    """Rounds the bias of one layer with a rounded kernel."""
    inputs = [_range_of(node.input_tensors) for node in wrapper.inbound_nodes]
    input_steps = {quantizer.step(bounds) for quantizer, bounds in inputs}
    is_wide = any(getattr(quantizer, "is_wide", False) for quantizer, _ in inputs)
    # What is too little to be seen has to be so beside the largest input.
    _make_room(wrapper, max(input_steps), is_wide)
    if len(input_steps) > 1:
        return  # A layer that is shared by inputs of several scales has no one grid.
    kernel, quantizer, _ = wrapper._weight_vars[0]
    bias = _bias_of(wrapper)
    if bias.variable is None:
        return
    step = input_steps.pop() * quantizer.step(kernel) * np.abs(bias.factor)
    bias.variable.assign_add(np.round(bias.value / step) * step - bias.value)


def _make_room(
    wrapper: quantize_wrapper.QuantizeWrapper, input_step: float, is_wide: bool
) -> None:
    """Sees to it that the bias of a layer fits the int32 of the file, in place."""
    kernel, quantizer, _ = wrapper._weight_vars[0]
    bias, norm = _bias_of(wrapper), _norm_behind(wrapper)
    has_gamma = norm is not None and norm.scale
    has_scales = quantizer.num_channel_axes and quantizer.sharing != "layer"
    if is_wide and not has_scales and not has_gamma:
        # All channels would lose their weights for one bias: rather that is cut, unless
        # the weights would not be seen beside it in int8 either.
        input_step *= 2**NUM_BITS
    least = np.maximum(np.abs(bias.value), _MIN_BIAS) / _MAX_STEPS / input_step
    room = quantizer.step(kernel) * np.abs(bias.factor) / least
    if np.all(room >= 1):
        return
    if has_scales:
        channels = kernel.shape[-quantizer.num_channel_axes :]
        kernel.assign(_with_room(kernel.numpy(), room.reshape(channels)))
    elif not has_gamma:
        kernel.assign(tf.zeros_like(kernel))
    if has_gamma:
        lowest = least / quantizer.step(kernel)
        larger = np.copysign(lowest, bias.factor)
        factor = np.where(np.abs(bias.factor) >= lowest, bias.factor, larger)
        spread = np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        norm.gamma.assign(np.where(factor == bias.factor, norm.gamma, factor * spread))
        own = wrapper.layer.bias.numpy() if wrapper.layer.use_bias else 0.0
        # What the layer adds with it stays what it was.
        norm.moving_mean.assign_add(
            (own - norm.moving_mean) * (1 - bias.factor / factor)
        )


def _with_room(kernel: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Returns a kernel with steps that are larger in the channels that need it.

    Args:
      kernel: its last axes count the channels.
      room: of each channel, the share of the step it needs that its step is.
    """
    axes = tuple(range(kernel.ndim - room.ndim))
    size = np.abs(kernel)
    with np.errstate(all="ignore"):  # A gamma of 0 has no room at all.
        grown = np.where(size == size.max(axes), kernel / room, kernel)
        is_near = np.sum((grown - kernel) ** 2, axes) < np.sum(kernel**2, axes)
    fitting: np.ndarray = np.where(is_near, grown, 0.0)
    return np.where(room >= 1, kernel, fitting)


def _change_by_rounding(
    wrapper: quantize_wrapper.QuantizeWrapper, mean_input: tf.Tensor
) -> np.ndarray:
    """Returns what rounding the kernel adds to each channel for some input, on average.

    Args:
      wrapper: of a layer whose output is linear in its kernel.
      mean_input: `(height, width, channels)` for a convolution.
    """
    kernel, quantizer, weights = wrapper._weight_vars[0]
    config = wrapper.layer.get_config() | {"use_bias": False, "name": None}
    layer = type(wrapper.layer).from_config(config)
    error = quantizer(kernel, training=False, weights=weights) - kernel
    layer.build((None, *mean_input.shape))
    layer.set_weights([error.numpy()])
    change = layer(mean_input[tf.newaxis]).numpy()
    means: np.ndarray = change.mean(axis=tuple(range(change.ndim - 1)))
    return means


def _norm_behind(layer: keras.layers.Layer) -> Any:
    """Returns the BatchNormalization that alone takes a layer's output, or None."""
    if len(layer.outbound_nodes) != 1:
        return None
    after = layer.outbound_nodes[0].layer
    after = getattr(after, "layer", after)
    return after if isinstance(after, keras.layers.BatchNormalization) else None


def _range_of(tensor: Any) -> tuple[Any, Any]:
    """Returns the quantizer nearest before a tensor, and its bounds."""
    layer, index, _ = tensor._keras_history
    if isinstance(layer, quantize_layer.QuantizeLayer):
        return layer.quantizer, layer.quantizer_vars
    for quantizer in getattr(layer, "_output_quantizers", ()):
        return quantizer, layer._output_quantizer_vars
    inputs = layer.inbound_nodes[index].input_tensors
    return _range_of(inputs[0] if isinstance(inputs, list) else inputs)
