"""BatchNormalization folded into the layer before it."""

from __future__ import annotations

from tfcompress.rewriting.affine import BATCH_NORMALIZATIONS, read_affine
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.linear import can_change, follows_linear, scale_outputs


def fold_batch_normalization(graph: Graph) -> list[Change]:
    """Folds every BatchNorm into the convolution or dense layer that it alone follows.

    For models that are not trained any more: outputs stay equal at inference only.
    """
    changes = []
    for node in list(graph.nodes):
        if type(node.layer) not in BATCH_NORMALIZATIONS:
            continue
        affine, before = read_affine(node), node.inputs[0].node
        if affine and follows_linear(graph, node) and can_change(graph, before):
            scale_outputs(before, affine)
            graph.bypass(node)
            changes.append(Change(node.name, f"folded into {before.name}"))
    return changes
