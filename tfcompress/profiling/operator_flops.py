"""Floating-point (or integer) operations of .tflite operators, beside their MACs.

What counts: an addition, multiplication, division, comparison, rounding, or one
function of the C mathematical library (exp, log, tanh, erf, sqrt, pow, sin) of one
element is one operation. Windows that reach over a border count as whole. What only
moves or converts values counts as none. Indices, and sums that the compiler could make
before the run, are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tfcompress.profiling.tflite_tensors import Op

_FUSED = {1: 1, 2: 2, 3: 2, 4: 1, 5: 1}  # RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT
_ONE_EACH = (
    *("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "POW", "FLOOR_DIV"),
    *("FLOOR_MOD", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "EQUAL"),
    *("NOT_EQUAL", "LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT", "BITWISE_XOR"),
    *("RIGHT_SHIFT", "ABS", "NEG", "SQUARE", "SQRT", "RSQRT", "EXP", "LOG", "SIN"),
    *("COS", "TANH", "FLOOR", "CEIL", "ROUND", "SIGN", "ATAN2", "RELU"),
    *("STABLEHLO_ADD", "STABLEHLO_SUBTRACT", "STABLEHLO_MULTIPLY", "STABLEHLO_DIVIDE"),
    *("STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM", "STABLEHLO_POWER", "STABLEHLO_ABS"),
    *("STABLEHLO_REMAINDER", "STABLEHLO_COMPARE", "STABLEHLO_AND", "STABLEHLO_OR"),
    *("STABLEHLO_NEGATE", "STABLEHLO_RSQRT", "STABLEHLO_EXPONENTIAL", "STABLEHLO_LOG"),
    *("STABLEHLO_COSINE", "STABLEHLO_TANH", "STABLEHLO_FLOOR", "STABLEHLO_CBRT"),
    "STABLEHLO_SHIFT_LEFT",
)
PER_OUTPUT = {
    **dict.fromkeys(_ONE_EACH, 1),
    **dict.fromkeys(("RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "STABLEHLO_CLAMP"), 2),
    **dict.fromkeys(("LEAKY_RELU", "PRELU", "SQUARED_DIFFERENCE"), 2),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE"), 2),  # scale and zero point
    "ELU": 3,
    **dict.fromkeys(("LOGISTIC", "STABLEHLO_LOGISTIC", "COMPLEX_ABS"), 4),
    "HARD_SWISH": 5,
    "FAKE_QUANT": 7,
    "RESIZE_BILINEAR": 7,  # four products, three sums
}
MOVING = frozenset(
    {
        *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CONCATENATION", "SPLIT", "SPLIT_V"),
        *("SLICE", "STRIDED_SLICE", "PACK", "UNPACK", "PAD", "PADV2", "MIRROR_PAD"),
        *("TRANSPOSE", "TILE", "BROADCAST_TO", "BROADCAST_ARGS", "REVERSE_V2"),
        *("REVERSE_SEQUENCE", "GATHER", "GATHER_ND", "SCATTER_ND", "SPARSE_TO_DENSE"),
        *("DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "BATCH_TO_SPACE_ND"),
        *("SPACE_TO_BATCH_ND", "EMBEDDING_LOOKUP", "CONCAT_EMBEDDINGS", "SKIP_GRAM"),
        *("CAST", "BITCAST", "REAL", "IMAG", "DENSIFY", "DILATE", "MATRIX_DIAG"),
        *("MATRIX_SET_DIAG", "SELECT", "SELECT_V2", "ONE_HOT", "ZEROS_LIKE", "FILL"),
        *("RANGE", "SHAPE", "RANK", "RESIZE_NEAREST_NEIGHBOR", "DYNAMIC_UPDATE_SLICE"),
        *("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "HASHTABLE"),
        *("HASHTABLE_IMPORT", "HASHTABLE_SIZE", "STABLEHLO_RESHAPE"),
        *("STABLEHLO_CONCATENATE", "STABLEHLO_BROADCAST_IN_DIM", "STABLEHLO_SLICE"),
        *("STABLEHLO_SELECT", "STABLEHLO_CONVERT", "STABLEHLO_DYNAMIC_SLICE"),
        *("STABLEHLO_DYNAMIC_UPDATE_SLICE", "STABLEHLO_PAD", "STABLEHLO_IOTA"),
        *("STABLEHLO_GATHER", "STABLEHLO_TRANSPOSE"),
    }
)
# Their bodies are operators of the file's other graphs, which are listed themselves.
CALLING = frozenset(
    {
        *("CALL", "CALL_ONCE", "IF", "WHILE", "STABLEHLO_WHILE", "STABLEHLO_CASE"),
        "STABLEHLO_COMPOSITE",
    }
)
# How much these compute is decided by the values, by chance or by other code.
UNCOUNTED = frozenset(
    {
        *("CUSTOM", "DELEGATE", "STABLEHLO_CUSTOM_CALL", "NON_MAX_SUPPRESSION_V4"),
        *("NON_MAX_SUPPRESSION_V5", "TOPK_V2", "UNIQUE", "WHERE", "BUCKETIZE"),
        *("HASHTABLE_LOOKUP", "HASHTABLE_FIND", "LSH_PROJECTION", "STABLEHLO_SORT"),
        *("EMBEDDING_LOOKUP_SPARSE", "RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL"),
        *("MULTINOMIAL", "STABLEHLO_RNG_BIT_GENERATOR", "STABLEHLO_SCATTER"),
        *("PLACEHOLDER_FOR_GREATER_OP_CODES", "RFFT2D"),
    }
)


def count_flops(op: Op, macs: int) -> int:
    """Returns the operations of one run of an operator, two for each MAC.

    Args:
      op: of any kind; the biases of convolutions and the activation that is fused
        into an operator are counted too.
      macs: its multiply-accumulates.

    Raises:
      ValueError, LookupError, ArithmeticError: its tensors do not fit each other.
    """
    outputs = sum(tensor.size for tensor in op.outputs)
    flops = 2 * macs + PER_OUTPUT.get(op.name, 0) * outputs
    if op.name in COUNTERS:
        flops += COUNTERS[op.name](op)
    return flops + _FUSED.get(op.options.get("FusedActivationFunction", 0), 0) * outputs


def _bias(op: Op, index: int = 2) -> int:
    has_bias = len(op.inputs) > index and op.inputs[index] is not None
    return op.outputs[0].size if has_bias else 0


def _window(op: Op) -> int:
    """Elements that one output of a pooling operator is made from."""
    height, width = op.options["FilterHeight"], op.options["FilterWidth"]
    if height < 1 or width < 1:
        raise ValueError(f"{op.name} has a window of {height}x{width}")
    return int(height * width)


def _rows(op: Op) -> tuple[int, int]:
    """Rows along the last axis, and the elements of each."""
    shape = op.outputs[0].shape
    return math.prod(shape[:-1]), shape[-1]


def _softmax(op: Op) -> int:
    rows, length = _rows(op)
    # Highest, differences, exponentials, their sum, quotients.
    return rows * (5 * length - 2)


def _log_softmax(op: Op) -> int:
    rows, length = _rows(op)
    return rows * (5 * length - 1)


def _l2_normalization(op: Op) -> int:
    rows, length = _rows(op)
    # Squares, their sum, one root, quotients.
    return rows * 3 * length


def _reduction(op: Op) -> int:
    taken = op.inputs[0]
    return max(0, taken.size - op.outputs[0].size) if taken else 0


def _all_inputs(op: Op) -> int:
    return op.inputs[0].size if op.inputs[0] else 0


def _recurrent(op: Op) -> int:
    """Biases and activations, and what the gates of a plain LSTM cell do."""
    # LSTM: four biases, three logistic gates and a tanh; c = f * c + i * g;
    # h = o * tanh(c).
    per_step = {"RNN": 2, "LSTM": 4 + 3 * 4 + 1 + 3 + 2, "SVDF": 2}
    kind = next(kind for kind in per_step if kind in op.name)
    return per_step[kind] * sum(tensor.size for tensor in op.outputs)


def _window_reduction(op: Op) -> int:
    sides = op.options.get("WindowDimensions", ())
    if op.name == "REDUCE_WINDOW" and op.inputs[2]:
        sides = op.inputs[2].values().tolist()
    return op.outputs[0].size * max(0, math.prod(sides) - 1)


COUNTERS: dict[str, Callable[[Op], int]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_3D"), _bias),
    "FULLY_CONNECTED": _bias,
    **dict.fromkeys(("TRANSPOSE_CONV", "CONV_3D_TRANSPOSE"), lambda op: _bias(op, 3)),
    **dict.fromkeys(
        ("BATCH_MATMUL", "STABLEHLO_DOT_GENERAL", "STABLEHLO_CONVOLUTION"),
        lambda op: 0,
    ),
    "AVERAGE_POOL_2D": lambda op: op.outputs[0].size * _window(op),
    "MAX_POOL_2D": lambda op: op.outputs[0].size * (_window(op) - 1),
    "L2_POOL_2D": lambda op: op.outputs[0].size * (2 * _window(op) + 1),
    "SOFTMAX": _softmax,
    "LOG_SOFTMAX": _log_softmax,
    "L2_NORMALIZATION": _l2_normalization,
    "LOCAL_RESPONSE_NORMALIZATION": lambda op: (
        op.outputs[0].size * (4 * op.options["Radius"] + 5)
    ),
    "GELU": lambda op: op.outputs[0].size * (9 if op.options.get("Approximate") else 5),
    "ADD_N": lambda op: op.outputs[0].size * (len(op.inputs) - 1),
    # Sums, and a quotient for each output.
    "MEAN": _all_inputs,
    **dict.fromkeys(
        (
            *("SUM", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY"),
            *("REDUCE_ALL", "ARG_MAX", "ARG_MIN", "STABLEHLO_REDUCE"),
        ),
        _reduction,
    ),
    **dict.fromkeys(
        (
            *("CUMSUM", "SEGMENT_SUM", "UNSORTED_SEGMENT_SUM"),
            *("UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_MIN"),
        ),
        _all_inputs,
    ),
    **dict.fromkeys(("REDUCE_WINDOW", "STABLEHLO_REDUCE_WINDOW"), _window_reduction),
    **dict.fromkeys(
        (
            *("RNN", "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN"),
            *("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"),
            "SVDF",
        ),
        _recurrent,
    ),
}
