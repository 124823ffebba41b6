"""BatchNormalization that turns no sign of the kernel before it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import tf_keras as keras

from tfcompress.rewriting.affine import BATCH_NORMALIZATIONS, Affine, is_last
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec, Node
from tfcompress.rewriting.linear import can_change, scale_outputs
from tfcompress.rewriting.remake import remake


def make_gammas_positive(graph: Graph, names: Collection[str]) -> list[Change]:
    """Turns kernels whose BatchNorm multiplies by less than 0; outputs stay equal.

    The exporter folds a BatchNorm into the scales of the kernel, which are positive:
    where gamma is not, the integers of that channel get the other sign, and a kernel
    of 16 values up to 32 integers. The gammas are held at 0 or above from then on.

    Args:
      graph: is changed in place.
      names: of the layers before the BatchNorms.
    """
    changes = []
    for node in graph.nodes:
        norm = graph.only_consumer(node.output) if node.name in names else None
        if norm is None or not _has_gamma(norm) or not can_change(graph, node):
            continue
        if graph.is_shared(norm):
            continue
        assert norm.spec.weights is not None
        gamma, *betas, mean, variance = norm.spec.weights
        signs = np.where(gamma < 0, -1.0, 1.0).astype(np.float32)
        weights = [gamma * signs, *betas, mean * signs, variance]
        layer = remake(norm.layer, gamma_constraint=keras.constraints.NonNeg())
        norm.spec = LayerSpec(layer, weights)
        if (signs < 0).any():
            scale_outputs(node, Affine(signs, np.zeros(())))
            changes.append(Change(node.name, f"signs turned with those of {norm.name}"))
    return changes


def _has_gamma(node: Node) -> bool:
    layer = node.layer
    is_norm = type(layer) in BATCH_NORMALIZATIONS and is_last(layer.axis, layer)
    return is_norm and layer.scale and bool(node.spec.weights)
