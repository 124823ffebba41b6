"""Which tensors of a model are rounded, and which share one range.

The int8 runtime rounds at the end of each operator, once, after a bias, a BatchNorm
and a ReLU that it has taken in. A tensor is therefore rounded where an operator ends,
and nowhere else, so that the fake-quantized model computes what the file will compute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import tf_keras as keras

from tfcompress.layers.precision_change import Precision, PrecisionChange
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
    WeightKeeper,
    WeightQuantizer,
)
from tfcompress.quantization.shared_values import Sharing
from tfcompress.rewriting.graph import Graph, Node, Tensor
from tfcompress.rewriting.prepare import prepare_for_quantization
from tfcompress.rewriting.remake import owner
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
    precisions: Mapping[str, Precision] | None = None,
    per_channel: bool = True,
) -> Plan:
    """Returns the plan for a graph that `prepare_for_quantization` has been through.

    Args:
      graph: is not changed.
      keep_zeros: names of layers whose zero weights stay zero.
      sharing: within what equal weights stay equal, by name of the layer.
      precisions: of layers that do not compute in int8, by name; `change_precision`
        has put its layers around them.
      per_channel: whether convolutions get a scale for each output channel.
    """
    sharing = sharing or {}
    precisions = precisions or {}
    groups = _Groups(graph, precisions)
    plan = Plan(input_groups=[groups.name(tensor) for tensor in graph.inputs])
    fused = {id(node.spec): True for node in graph.nodes}
    for node in graph.nodes:
        # A layer that is called twice is rounded after both calls or after none.
        fused[id(node.spec)] &= is_taken_in(graph, node)
    for node in graph.nodes:
        precision = precisions.get(node.name, "int8")
        is_float = precision == "float"
        if never := why_impossible(node):
            plan.impossible[node.name] = never
        elif not is_float and (reason := why_float(graph, node)):
            plan.unsupported[node.name] = reason
        config = _float_config(node) if is_float else _config(node, groups, precision)
        if not is_float and isinstance(node.layer, MOVING) and _is_fork(graph, node):
            own = _own(node, groups, precision)
            config = LayerQuantizeConfig(output_quantizer=own)
        if not is_float and fused[id(node.spec)]:
            config = LayerQuantizeConfig(config.weight, config.weight_quantizer)
        if quantizer := config.weight_quantizer:
            quantizer.num_channel_axes *= per_channel
            quantizer.keep_zeros = node.name in keep_zeros
            quantizer.sharing = sharing.get(node.name)
        if is_float or config.weight_quantizer or config.output_quantizer:
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
        texts[owner(name, texts) or name] = f"no: {reason}"
    return texts


def _float_config(node: Node) -> LayerQuantizeConfig:
    """Returns what is kept of a layer that computes in float."""
    config = LayerQuantizeConfig(is_float=True)
    if found := kernel_of(node.layer):
        config.weight, axes = found
        config.weight_quantizer = WeightKeeper(axes)
    if bounds := fixed_range(node.layer):
        # The converter rounds such an output even if the operator is float.
        config.output_quantizer = FixedRangeQuantizer(*bounds)
    return config


def _own(node: Node, groups: _Groups, precision: str) -> ActivationQuantizer:
    """Returns what rounds an output to a range of its own."""
    pools = isinstance(node.layer, (layers.AveragePooling1D, layers.AveragePooling2D))
    num_bits = 16 if precision == "int16" else 8
    return ActivationQuantizer(groups.name(node.output), pools, num_bits)


def _config(node: Node, groups: _Groups, precision: str) -> LayerQuantizeConfig:
    """Returns what is rounded if no other operator takes this one in."""
    layer = node.layer
    if isinstance(layer, PrecisionChange):
        to_float = layer.to == "float"
        changed = None if to_float else _own(node, groups, layer.to)
        return LayerQuantizeConfig(output_quantizer=changed)
    own = _own(node, groups, precision)
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


def is_taken_in(graph: Graph, node: Node) -> bool:
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

    def __init__(self, graph: Graph, precisions: Mapping[str, Precision]):
        self._parents: dict[Tensor, Tensor] = {}
        outputs: dict[int, Tensor] = {}
        for node in graph.nodes:
            layer = node.layer
            shares = isinstance(layer, (*MOVING, *RESAMPLING, *TRAINING_ONLY))
            shares &= precisions.get(node.name) != "float"
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
