"""Kernels that follow one another, given channels of like size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tf_keras as keras

from tfcompress.rewriting.affine import BATCH_NORMALIZATIONS, Affine, read_affine
from tfcompress.rewriting.affine_layers import scale_batch_normalization
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, Node
from tfcompress.rewriting.linear import (
    can_change,
    input_bounds,
    output_bounds,
    scale_inputs,
    scale_outputs,
)

_layers = keras.layers
_NUM_ROUNDS = 20
# Channels that are that close to their factor's end leave it there.
_CONVERGED = 1e-3


def equalize_layers(graph: Graph) -> list[Change]:
    """Moves factors from a kernel into the one behind it, with equal outputs.

    A channel whose weights are small beside those of other channels is rounded coarsely
    where a kernel has one scale, and so is an activation where channels differ. What
    lies between two kernels may be a BatchNormalization and a ReLU without a bound: it
    lets a positive factor through. A ReLU6 does not.

    References:
      Nagel et al., Data-Free Quantization Through Weight Equalization and Bias
      Correction, arXiv:1906.04721, section 4.1, equation 11.
    """
    pairs = list(_pairs(graph))
    for _ in range(_NUM_ROUNDS):
        largest = max((_equalize(*pair) for pair in pairs), default=0.0)
        if largest < _CONVERGED:
            break
    return [
        Change(first.name, f"equalized with {second.name}")
        for first, _, second in pairs
    ]


def _pairs(graph: Graph) -> Iterator[tuple[Node, Node | None, Node]]:
    """Yields kernels of which one alone follows the other, and the norm between."""
    for first in graph.nodes:
        if not can_change(graph, first):
            continue
        later, norm = graph.only_consumer(first.output), None
        if later and type(later.layer) in BATCH_NORMALIZATIONS:
            if graph.is_shared(later) or read_affine(later) is None:
                continue
            norm, later = later, graph.only_consumer(later.output)
        if later and _is_homogeneous(later.layer):
            later = graph.only_consumer(later.output)
        if later and can_change(graph, later):
            yield first, norm, later


def _is_homogeneous(layer: keras.layers.Layer) -> bool:
    """Returns whether a positive factor goes through a layer."""
    if isinstance(layer, _layers.ReLU):
        return layer.max_value is None and not layer.threshold
    if isinstance(layer, _layers.Activation):
        return layer.activation in (keras.activations.relu, keras.activations.linear)
    return isinstance(layer, _layers.LeakyReLU)


def _equalize(first: Node, norm: Node | None, second: Node) -> float:
    """Makes each channel as large in one kernel as in the other.

    Returns:
      How far the largest factor was from 1.
    """
    before, after = output_bounds(first), input_bounds(second)
    if norm is not None:
        affine = read_affine(norm)
        assert affine is not None
        before = before * np.abs(affine.channels(len(before))[0])
    known = (before > 0) & (after > 0)
    factors = np.ones_like(before)
    factors[known] = np.sqrt(after[known] / before[known])
    if norm is not None:
        scale_batch_normalization(norm, Affine(factors, 0 * factors))
    else:
        scale_outputs(first, Affine(factors, 0 * factors))
    scale_inputs(second, Affine(1 / factors, 0 * factors))
    return float(np.abs(factors - 1).max())
