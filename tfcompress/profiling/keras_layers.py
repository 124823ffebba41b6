"""Multiply-accumulates and operations of one call of a Keras layer.

Layers are told by class name, so that tf_keras and Keras 3 go the same way. What counts
as an operation is said in `operator_flops.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tfcompress.errors import ModelError
from tfcompress.profiling.keras_attention import (
    attention_macs,
    attention_other_flops,
    heads_macs,
    heads_other_flops,
)
from tfcompress.profiling.keras_calls import Call, Shape, size
from tfcompress.profiling.operator_flops import PER_OUTPUT

_CONVOLUTIONS = frozenset({"Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D"}) | {
    *("DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
}
_TRANSPOSED = frozenset({"Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"})
_CONV_LSTM = frozenset({"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN"}) | _CONV_LSTM
_ACTIVATIONS = {
    **dict.fromkeys(("relu", "tanh", "exponential", "softsign"), 1),
    **dict.fromkeys(("relu6", "leaky_relu"), 2),
    **dict.fromkeys(("elu", "selu", "softplus"), 3),
    **dict.fromkeys(("sigmoid", "hard_sigmoid"), 4),
    **dict.fromkeys(("swish", "silu", "hard_swish", "hard_silu", "gelu", "softmax"), 5),
    "mish": 5,
}
_PER_OUTPUT = {
    **dict.fromkeys(("BatchNormalization", "Rescaling", "Normalization"), 2),
    **dict.fromkeys(("LeakyReLU", "PReLU"), 2),
    **dict.fromkeys(("ELU", "ReLU"), 1),
    **dict.fromkeys(("Divide", "BorderScale", "ThresholdedReLU"), 1),
    **dict.fromkeys(("LayerNormalization", "SumLayerNormalization"), 8),
    "GroupNormalization": 8,
    "RMSNormalization": 4,  # squares, their sum, quotients, factors
    "UnitNormalization": 3,
    "LayerScale": 1,
    **dict.fromkeys(("HardSwish", "HardSwishGate", "Softmax"), 5),
    "HardSigmoid": 4,
    "TanhGelu": 9,
}
_MERGES = frozenset({"Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average"})
_BY_RANK = (
    *("AveragePooling", "MaxPooling", "GlobalAveragePooling", "GlobalMaxPooling"),
    *("Cropping", "ZeroPadding", "UpSampling", "SpatialDropout"),
)
# Neither these nor `_PER_OUTPUT` and `_MERGES` multiply and add; what is for training
# alone is idle here.
_WITHOUT_MACS = frozenset(
    {
        *("InputLayer", "Activation", "ActivityRegularization", "Concatenate"),
        *("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise"),
        *("StochasticDepth", "Permute", "RepeatVector", "Reshape", "Flatten"),
        *("Identity", "Embedding", "Masking", "CenterCrop", "RandomBrightness"),
        *("RandomContrast", "RandomCrop", "RandomFlip", "RandomRotation"),
        *("RandomTranslation", "RandomZoom", "ChannelShuffle", "DepthToSpace"),
        *("SpaceToDepth", "PrecisionChange", "Slice", "WindowAverage"),
        *("QuantizeLayer", *(f"{name}{rank}D" for name in _BY_RANK for rank in "123")),
    }
)


def is_counted(layer: Any) -> bool:
    """Returns whether `count_macs` knows what a layer computes."""
    kinds = {base.__name__ for base in type(layer).__mro__}
    with_macs = _CONVOLUTIONS | _TRANSPOSED | _RECURRENT | set(_COUNTERS) | {"Dense"}
    return bool(kinds & (with_macs | _WITHOUT_MACS | _MERGES | set(_PER_OUTPUT)))


def count_macs(call: Call) -> int:
    """Returns the multiply-accumulates of one call, for a batch of 1 where it is open.

    A kernel of n weights costs n at each output position, or at each input position
    where it is transposed; padding is counted.

    Raises:
      ModelError: a size is open.
    """
    kinds = call.kinds
    for kind, counter in _COUNTERS.items():
        if kind in kinds:
            return counter(call)
    if kinds & _TRANSPOSED:
        return call.num_kernel_params * _positions(call, call.inputs[0])
    if kinds & (_CONVOLUTIONS | {"Dense"}):
        return call.num_kernel_params * _positions(call, call.outputs[0])
    if kinds & _RECURRENT:
        return call.num_kernel_params * _steps(call)
    return 0


def count_flops(call: Call, macs: int) -> int:
    """Returns the operations of one call, two for each MAC; see `count_macs`."""
    for kinds, counter in _BESIDE_MACS:
        if call.kinds & kinds:
            return 2 * macs + counter(call)
    outputs = sum(size(shape) for shape in call.outputs)
    each = _PER_OUTPUT.get(call.kind, 0)
    if macs and getattr(call.layer, "use_bias", False):
        each += 1
    if call.kind == "ReLU" and getattr(call.layer, "max_value", None) is not None:
        each += 1
    each += _activation(call.layer)
    return 2 * macs + each * outputs + _unlike_outputs(call, outputs)


def _activation(layer: Any, attribute: str = "activation") -> int:
    """Operations of a layer's activation on one element."""
    activation = getattr(layer, attribute, None)
    return _ACTIVATIONS.get(getattr(activation, "__name__", ""), 0)


def _unlike_outputs(call: Call, outputs: int) -> int:
    """Operations of layers that combine several numbers into one."""
    inputs = sum(size(shape) for shape in call.inputs)
    if call.kind in _MERGES:
        return inputs - outputs + (outputs if call.kind == "Average" else 0)
    if call.kind.startswith("GlobalAverage"):
        return inputs
    if call.kind.startswith("GlobalMax"):
        return inputs - outputs
    if call.kind.startswith(("AveragePooling", "MaxPooling", "WindowAverage")):
        window = getattr(call.layer, "pool_size", 1)
        sides = (window,) if isinstance(window, int) else tuple(window)
        is_highest = call.kind.startswith("Max")
        return outputs * (math.prod(sides) - is_highest)
    if call.kind == "UpSampling2D" and call.layer.interpolation == "bilinear":
        return PER_OUTPUT["RESIZE_BILINEAR"] * outputs
    return 0


def _positions(call: Call, shape: Shape) -> int:
    """Number of places at which the kernel is applied in one call, batch and all."""
    is_channels_first = getattr(call.layer, "data_format", None) == "channels_first"
    sides = shape[2:] if is_channels_first else shape[1:-1]
    if None in sides:
        raise ModelError(
            f"cannot count the multiply-accumulates of layer {call.name!r}: its sides "
            f"are open, {sides}; build the model with a fixed input_shape"
        )
    return size((shape[0], *sides))


def _steps(call: Call) -> int:
    """Times that the kernels of a recurrent layer are applied, of all examples.

    Those of ConvLSTM are, in each step, wherever there is an output.
    """
    steps = size(call.inputs[0][:2])
    if not call.kinds & _CONV_LSTM:
        return steps
    cell = call.layer.cell
    shape = call.outputs[0][-cell.rank - 1 :]
    is_channels_first = cell.data_format == "channels_first"
    return steps * size(shape[1:] if is_channels_first else shape[:-1])


def _cells(call: Call) -> int:
    """Biases, activations and gates of recurrent layers.

    LSTM: c = f * c + i * g; h = o * tanh(c), of four gates. GRU: z * h + (1 - z) * g,
    of three, where r is multiplied with a state, or with a sum that is added then.
    """
    cell = call.layer.cell
    units = getattr(cell, "units", None) or cell.filters
    function, gate = _activation(cell), _activation(cell, "recurrent_activation")
    if "SimpleRNN" in call.kinds:
        each = cell.use_bias + function
    elif "GRU" in call.kinds:
        biases = 6 if cell.reset_after else 3
        each = biases * cell.use_bias + 2 * gate + function + 4 + 1 + cell.reset_after
    else:
        each = 4 * cell.use_bias + 3 * gate + 2 * function + 4
    return int(each) * units * _steps(call)


def _matrix_product(call: Call) -> int:
    # Each number of the product is a sum along the last axis of its first factor.
    return size(call.outputs[0]) * (call.inputs[0][-1] or 1)


def _einsum(call: Call) -> int:
    """Product of the sizes of all axes that the equation names."""
    operands, _, given = call.layer.equation.replace(" ", "").partition("->")
    taken = operands.partition(",")[0]
    sides: dict[str, int] = {}
    # From the end, since an ellipsis stands for any number of leading axes.
    for axes, shape in ((taken, call.inputs[0]), (given, call.outputs[0])):
        names = axes.replace("...", "")
        for name, side in zip(reversed(names), reversed(shape), strict=False):
            sides[name] = max(side or 1, sides.get(name, 1))
    leading = len(call.inputs[0]) - len(taken.replace("...", ""))
    return math.prod(sides.values()) * size(call.inputs[0][:leading])


def _dot(call: Call) -> int:
    axes = call.layer.axes
    axis = axes if isinstance(axes, int) else axes[0]
    return size(call.outputs[0]) * (call.inputs[0][axis] or 1)


_BESIDE_MACS: tuple[tuple[frozenset[str], Callable[[Call], int]], ...] = (
    (_RECURRENT, _cells),
    (frozenset({"MultiHeadAttention"}), heads_other_flops),
    (frozenset({"Attention", "AdditiveAttention"}), attention_other_flops),
)
_COUNTERS: dict[str, Callable[[Call], int]] = {
    **dict.fromkeys(("Attention", "AdditiveAttention"), attention_macs),
    "Dot": _dot,
    "MatrixProduct": _matrix_product,
    "EinsumDense": _einsum,
    "MultiHeadAttention": heads_macs,
}
