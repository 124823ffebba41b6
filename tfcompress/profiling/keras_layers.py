"""Multiply-accumulates and operations of one call of a Keras layer.

Layers are told by class name, so that tf_keras and Keras 3 go the same way. What counts
as an operation is said in `operator_flops.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tfcompress.errors import ModelError
from tfcompress.profiling.operator_flops import PER_OUTPUT

_CONVOLUTIONS = frozenset({"Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D"}) | {
    *("DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
}
_TRANSPOSED = frozenset({"Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"})
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN"})
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
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Call:
    """One call of a layer in a model.

    Args:
      layer: that is called, without TF-MOT's wrapper.
      name: of it, for messages.
      inputs: shapes of what it is called on, batch and all.
      outputs: shapes of what it returns.
      num_kernel_params: elements of all its kernels.
    """

    layer: Any
    name: str
    inputs: Sequence[Shape]
    outputs: Sequence[Shape]
    num_kernel_params: int

    @property
    def kinds(self) -> set[str]:
        """Names of the layer's classes, its own and those it inherits from."""
        return {base.__name__ for base in type(self.layer).__mro__}

    @property
    def kind(self) -> str:
        """Name of the layer's own class."""
        return type(self.layer).__name__


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
        return call.num_kernel_params * size(call.inputs[0][:2])
    return 0


def count_flops(call: Call, macs: int) -> int:
    """Returns the operations of one call, two for each MAC; see `count_macs`."""
    outputs = sum(size(shape) for shape in call.outputs)
    each = _PER_OUTPUT.get(call.kind, 0)
    if macs and getattr(call.layer, "use_bias", False):
        each += 1
    if call.kind == "ReLU" and getattr(call.layer, "max_value", None) is not None:
        each += 1
    activation = getattr(call.layer, "activation", None)
    each += _ACTIVATIONS.get(getattr(activation, "__name__", ""), 0)
    return 2 * macs + each * outputs + _unlike_outputs(call, outputs)


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


def size(shape: Shape) -> int:
    """Returns the number of elements at a batch of 1."""
    return math.prod(1 if side is None else side for side in shape)


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


def _attention_heads(call: Call) -> int:
    """Projections of queries, keys and values, both products, and the projection out.

    Keys are as long as values; they are the queries where none are given.
    """
    layer, query = call.layer, call.inputs[0]
    config = layer.get_config()
    heads, key_dim = config["num_heads"], config["key_dim"]
    value_dim = config["value_dim"] or key_dim
    value = call.inputs[1] if len(call.inputs) > 1 else query
    key = call.inputs[2] if len(call.inputs) > 2 else value
    num_queries, num_values = size(query[:-1]), size(value[1:-1])
    projections = (
        size(query) * heads * key_dim
        + size(key) * heads * key_dim
        + size(value) * heads * value_dim
        + num_queries * heads * value_dim * (call.outputs[0][-1] or 1)
    )
    return projections + heads * num_queries * num_values * (key_dim + value_dim)


def _dot(call: Call) -> int:
    axes = call.layer.axes
    axis = axes if isinstance(axes, int) else axes[0]
    return size(call.outputs[0]) * (call.inputs[0][axis] or 1)


def _num_scores(call: Call) -> int:
    """Pairs of a query and a value, of all examples."""
    query, value = call.inputs[:2]
    return size(query[:-1]) * (value[-2] or 1)


def _attention(call: Call) -> int:
    """Scores of queries and keys, which are as long as each other, times the values.

    A score by `concat`, or by AdditiveAttention, is a sum of tanh: its numbers are
    multiplied only where they have scales, which are then weights of the sum.
    """
    is_sum = "AdditiveAttention" in call.kinds or _is_by_concat(call)
    is_weighted = "AdditiveAttention" in call.kinds and call.layer.use_scale
    query_dim = call.inputs[0][-1] or 1
    a_score = query_dim if is_weighted or not is_sum else 0
    return _num_scores(call) * (a_score + (call.inputs[1][-1] or 1))


def _is_by_concat(call: Call) -> bool:
    return getattr(call.layer, "score_mode", "dot") == "concat"


_COUNTERS: dict[str, Callable[[Call], int]] = {
    **dict.fromkeys(("Attention", "AdditiveAttention"), _attention),
    "Dot": _dot,
    "MatrixProduct": _matrix_product,
    "EinsumDense": _einsum,
    "MultiHeadAttention": _attention_heads,
}
