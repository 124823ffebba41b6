"""LayerNormalization that stays float as a whole."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.layers.sum_layer_normalization import SumLayerNormalization
from tfcompress.rewriting.affine import is_last
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.remake import specs


def sum_in_layer_normalization(graph: Graph) -> list[Change]:
    """Makes a SumLayerNormalization of every LayerNormalization along the last axis."""
    changes = []
    for spec in specs(graph):
        if type(spec.layer) is not keras.layers.LayerNormalization:
            continue
        if is_last(spec.layer.axis, spec.layer):
            config = spec.layer.get_config() | {"axis": -1}
            spec.layer = SumLayerNormalization.from_config(config)
            changes.append(Change(spec.name, "rewritten to SumLayerNormalization"))
    return changes
