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
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.conv1d import conv1d_to_conv2d
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.merges import split_merges
from tfcompress.rewriting.preprocessing import (
    float_inputs,
    fold_preprocessing,
    remove_preprocessing,
)

_PREPROCESSING = {
    "keep": (merge_affine,),
    "fold": (merge_affine, fold_preprocessing),
    "input_scale": (remove_preprocessing, merge_affine),
}


def prepare_for_quantization(graph: Graph, preprocessing: str = "keep") -> list[Change]:
    """Rewrites a canonical model to layers that integers can compute.

    Activations become layers; what scales and shifts channels is folded into a
    neighbour or becomes a DepthwiseConv2D 1x1. BatchNorm behind its convolution stays,
    to be trained; dropout and augmentation stay too.

    Args:
      graph: is changed in place; its outputs stay equal, to rounding.
      preprocessing: of Rescaling and Normalization behind the input. "keep": they
        become a depthwise layer. "fold": they go into the first convolution, whose
        kernel is then small by the same factor: not to be trained. "input_scale":
        they go; outputs are equal for an input of which `input_affine(graph)`, asked
        before, was computed outside.

    Returns:
      What was done, in the order it was done.

    Raises:
      InvalidArgumentError: the preprocessing does not allow for what is asked.
    """
    if preprocessing not in _PREPROCESSING:
        raise InvalidArgumentError(
            f"preprocessing is {preprocessing!r}; expected one of "
            f"{', '.join(_PREPROCESSING)}"
        )
    rewrites = (
        float_inputs,
        split_merges,
        split_activations,
        expand_activations,
        conv1d_to_conv2d,
        fold_affine_backward,
        *_PREPROCESSING[preprocessing],
        fold_affine_forward,
        fold_scale_through_multiply,
        affine_to_depthwise,
    )
    return [change for rewrite in rewrites for change in rewrite(graph)]
