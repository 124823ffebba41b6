"""Grouped convolutions made ones that train fast."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec
from tfcompress.rewriting.remake import specs

_layers = keras.layers
_KEPT = """
name trainable dtype kernel_size strides padding data_format dilation_rate activation
use_bias bias_initializer bias_regularizer bias_constraint activity_regularizer
"""


def replace_grouped_convolutions(graph: Graph) -> list[Change]:
    """Makes every Conv2D with groups a GroupedConv2D of the same settings.

    With as many groups as there are input channels it becomes a DepthwiseConv2D, which
    is the same and has faster kernels.
    """
    changes = []
    for spec in specs(graph):
        if type(spec.layer) is not _layers.Conv2D or spec.layer.groups == 1:
            continue
        if _is_depthwise(spec):
            _make_depthwise(spec)
        else:
            spec.layer = GroupedConv2D.from_config(spec.layer.get_config())
        changes.append(Change(spec.name, f"rewritten to {type(spec.layer).__name__}"))
    return changes


def _is_depthwise(spec: LayerSpec) -> bool:
    across, down = spec.layer.strides
    one_each = spec.weights is not None and spec.weights[0].shape[2] == 1
    return one_each and across == down


def _make_depthwise(spec: LayerSpec) -> None:
    config = spec.layer.get_config()
    settings = {key: config[key] for key in _KEPT.split()}
    for role in ("initializer", "regularizer", "constraint"):
        settings[f"depthwise_{role}"] = config[f"kernel_{role}"]
    kernel, *biases = spec.weights or []
    multiplier = kernel.shape[3] // spec.layer.groups
    spec.layer = _layers.DepthwiseConv2D(depth_multiplier=multiplier, **settings)
    shape = (*kernel.shape[:2], -1, multiplier)
    spec.weights = [kernel.reshape(shape), *biases]
