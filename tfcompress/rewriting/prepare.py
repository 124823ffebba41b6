"""What a canonical model is rewritten to before it is quantized."""

from __future__ import annotations

from tfcompress.errors import InvalidArgumentError
from tfcompress.rewriting.activations import expand_activations, split_activations
from tfcompress.rewriting.affine_layers import (
    affine_to_depthwise,
    fold_affine_backward,
    fold_affine_forward,
    fold_scale_through_multiply,
    merge_affine,
)
from tfcompress.rewriting.attention import split_attention
from tfcompress.rewriting.average_pooling import average_by_convolution
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.conv1d import conv1d_to_conv2d
from tfcompress.rewriting.crops import replace_crops
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.hard_swish import split_hard_swish
from tfcompress.rewriting.layer_normalization import sum_in_layer_normalization
from tfcompress.rewriting.merges import split_merges, split_normalized_dots
from tfcompress.rewriting.normalized_axis import normalize_last_axis
from tfcompress.rewriting.preprocessing import float_inputs, fold_preprocessing

_PREPROCESSING = {
    "keep": (merge_affine,),
    "fold": (merge_affine, fold_preprocessing),
}
# What the runtime has operators for that XNNPACK, its fast part, has not.
_OPERATORS = {
    "fast": (split_hard_swish, average_by_convolution),
    "builtin": (),
}


def prepare_for_quantization(
    graph: Graph, preprocessing: str = "keep", operators: str = "fast"
) -> list[Change]:
    """Rewrites a canonical model to layers that integers can compute.

    Activations become layers; what scales and shifts channels is folded into a
    neighbour or becomes a DepthwiseConv2D 1x1. BatchNorm behind its convolution stays,
    to be trained; dropout and augmentation stay too.

    Args:
      graph: is changed in place; its outputs stay equal, to rounding.
      preprocessing: of Rescaling and Normalization behind the input. "keep": they
        become a depthwise layer. "fold": they go into the first convolution, whose
        kernel is then small by the same factor: train it only where a BatchNorm
        follows.
      operators: "fast": hard swish and average pooling become several layers, each of
        which XNNPACK computes. "builtin": they stay, and become one operator each.

    Returns:
      What was done, in the order it was done.

    Raises:
      InvalidArgumentError: an unknown word, or preprocessing that cannot be folded.
    """
    if preprocessing not in _PREPROCESSING:
        raise InvalidArgumentError(
            f"preprocessing is {preprocessing!r}; expected one of "
            f"{', '.join(_PREPROCESSING)}"
        )
    if operators not in _OPERATORS:
        raise InvalidArgumentError(
            f"operators is {operators!r}; expected one of {', '.join(_OPERATORS)}"
        )
    rewrites = (
        float_inputs,
        replace_crops,
        split_merges,
        split_normalized_dots,
        split_attention,
        normalize_last_axis,
        sum_in_layer_normalization,
        split_activations,
        expand_activations,
        *_OPERATORS[operators],
        conv1d_to_conv2d,
        fold_affine_backward,
        *_PREPROCESSING[preprocessing],
        fold_affine_forward,
        fold_scale_through_multiply,
        affine_to_depthwise,
    )
    return [change for rewrite in rewrites for change in rewrite(graph)]
