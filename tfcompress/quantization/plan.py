"""Which tensors of a model are rounded, and which share one range.

The int8 runtime rounds at the end of each operator, once, after a bias, a BatchNorm
and a ReLU that it has taken in. A tensor is therefore rounded where an operator ends,
and nowhere else, so that the fake-quantized model computes what the file will compute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import tf_keras as keras

from tfcompress.quantization.configs import LayerQuantizeConfig
from tfcompress.quantization.operators import (
    COMPUTING,
    KERNELS,
    MOVING,
    RESAMPLING,
    TAKES_RELU,
    fixed_range,
    is_plain_relu,
    kernel_of,
    why_float,
    why_impossible,
)
from tfcompress.quantization.quantizers import (
    ActivationQuantizer,
    FixedRangeQuantizer,
    WeightQuantizer,
)
from tfcompress.quantization.shared_values import Sharing
from tfcompress.rewriting.graph import Graph, Node, Tensor
from tfcompress.rewriting.prepare import prepare_for_quantization
from tfcompress.rewriting.training_only import TRAINING_ONLY

layers = keras.layers


@dataclass(frozen=True)
class Plan:
    """What to do with each layer.

    Args:
      configs: what is rounded, by name of the layer; layers without an entry pass
        rounded values on.
      input_groups: name of the range of each input of the model.
      unsupported: why a layer has to compute in float, by name.
      impossible: why no file can hold a layer, by name.
    """

    configs: dict[str, LayerQuantizeConfig] = field(default_factory=dict)
    input_groups: list[str] = field(default_factory=list)
    unsupported: dict[str, str] = field(default_factory=dict)
    impossible: dict[str, str] = field(default_factory=dict)


def make_plan(
    graph: Graph,
    keep_zeros: Collection[str] = (),
    sharing: Mapping[str, Sharing] | None = None,
) -> Plan:
    """Returns the plan for a graph that `prepare_for_quantization` has been through.

    Args:
      graph: is not changed.
      keep_zeros: names of layers whose zero weights stay zero.
      sharing: within what equal weights stay equal, by name of the layer.
    """
    sharing = sharing or {}
    groups = _Groups(graph)
    plan = Plan(input_groups=[groups.name(tensor) for tensor in graph.inputs])
    fused = {id(node.spec): True for node in graph.nodes}
    for node in graph.nodes:
        # A layer that is called twice is rounded after both calls or after none.
        fused[id(node.spec)] &= _is_taken_in(graph, node)
    for node in graph.nodes:
        if never := why_impossible(node):
            plan.impossible[node.name] = never
        elif reason := why_float(graph, node):
            plan.unsupported[node.name] = reason
        is_float = node.name in plan.unsupported
        config = _config(node, groups, is_float)
        if config.weight_quantizer:
            config.weight_quantizer.keep_zeros = node.name in keep_zeros
            config.weight_quantizer.sharing = sharing.get(node.name)
        if isinstance(node.layer, MOVING) and _is_fork(graph, node):
            own = ActivationQuantizer(groups.name(node.output))
            config = LayerQuantizeConfig(output_quantizer=own)
        if fused[id(node.spec)]:
            config = LayerQuantizeConfig(config.weight, config.weight_quantizer)
        if config.weight_quantizer or config.output_quantizer:
            plan.configs[node.name] = config
    return plan


def explain(model: keras.Model) -> dict[str, str]:
    """Returns what quantization does to each layer of a canonical model, by name.

    Returns:
      `yes`, what the layer is rewritten to, or `no: ` and the reason.

    Example:
      >>> explain(model)["block_1_swish"]
      'rewritten to Activation(sigmoid) and Multiply'
    """
    graph = Graph.from_model(model)
    changes = prepare_for_quantization(graph)
    plan = make_plan(graph)
    texts = {layer.name: "yes" for layer in model.layers}
    for layer in texts:
        done = [change.text for change in changes if change.layer == layer]
        if done:
            texts[layer] = "; ".join(done)
    for name, reason in {**plan.unsupported, **plan.impossible}.items():
        # What a rewrite adds is named after the layer that it stands for.
        owner = max((n for n in texts if name.startswith(n)), key=len, default=name)
        texts[owner] = f"no: {reason}"
    return texts


def _config(node: Node, groups: _Groups, is_float: bool) -> LayerQuantizeConfig:
    """Returns what is rounded if no other operator takes this one in."""
    layer = node.layer
    pools = isinstance(layer, (layers.AveragePooling1D, layers.AveragePooling2D))
    own = ActivationQuantizer(groups.name(node.output), ties_away=pools)
    if is_float:
        return LayerQuantizeConfig(output_quantizer=own, is_float=True)
    if bounds := fixed_range(layer):
        return LayerQuantizeConfig(output_quantizer=FixedRangeQuantizer(*bounds))
    if found := kernel_of(layer):
        attribute, axes = found
        return LayerQuantizeConfig(attribute, WeightQuantizer(axes), own)
    rounds = isinstance(
        layer, (*COMPUTING, *RESAMPLING, layers.ReLU, layers.Activation)
    )
    if isinstance(layer, (layers.Resizing, layers.UpSampling2D)):
        rounds = layer.interpolation != "nearest"
    return LayerQuantizeConfig(output_quantizer=own if rounds else None)


def _is_taken_in(graph: Graph, node: Node) -> bool:
    """Returns whether the operator of the next layer ends later than this layer."""
    after = graph.only_consumer(node.output)
    if after is None:
        return False
    if isinstance(after.layer, layers.BatchNormalization):
        is_int8 = not why_float(graph, after)
        return is_int8 and isinstance(node.layer, tuple(KERNELS))
    transposed = isinstance(node.layer, layers.Conv2DTranspose)
    takes = isinstance(node.layer, TAKES_RELU) and not transposed
    return takes and isinstance(after.layer, layers.ReLU) and is_plain_relu(after.layer)


def _is_fork(graph: Graph, node: Node) -> bool:
    """Returns whether several layers take the output, or may once dropout is gone.

    The converter does not know the scale of what moves values if it has several
    takers, and computes these in float. Rounding once more changes no value.
    """
    after = graph.only_consumer(node.output)
    return after is None or isinstance(after.layer, TRAINING_ONLY)


class _Groups:
    """The sets of tensors that have to share one range, found by union."""

    def __init__(self, graph: Graph):
        self._parents: dict[Tensor, Tensor] = {}
        outputs: dict[int, Tensor] = {}
        for node in graph.nodes:
            layer = node.layer
            shares = isinstance(layer, (*MOVING, *RESAMPLING, *TRAINING_ONLY))
            for tensor in node.inputs if shares else ():
                if not fixed_range(tensor.node.layer):
                    self._unite(tensor, node.output)
            self._unite(outputs.setdefault(id(node.spec), node.output), node.output)

    def name(self, tensor: Tensor) -> str:
        """Returns the name of the range of a tensor: that of its first layer."""
        return self._root(tensor).node.name

    def _root(self, tensor: Tensor) -> Tensor:
        while tensor in self._parents:
            tensor = self._parents[tensor]
        return tensor

    def _unite(self, first: Tensor, second: Tensor) -> None:
        first, second = self._root(first), self._root(second)
        if first != second:
            self._parents[second] = first
