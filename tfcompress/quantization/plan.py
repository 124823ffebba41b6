"""Which tensors of a model are rounded, and which share one range.

The int8 runtime rounds at the end of each operator, once, after a bias, a BatchNorm
and a ReLU that it has taken in. A tensor is therefore rounded where an operator ends,
and nowhere else, so that the fake-quantized model computes what the file will compute.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import tf_keras as keras

from tfcompress.layers.channel_shuffle import ChannelShuffle
from tfcompress.layers.hard_swish import HardSwish, HardSwishGate
from tfcompress.layers.slice import Slice
from tfcompress.layers.window_average import BorderScale, WindowAverage
from tfcompress.quantization.configs import LayerQuantizeConfig
from tfcompress.quantization.quantizers import (
    ActivationQuantizer,
    FixedRangeQuantizer,
    WeightQuantizer,
)
from tfcompress.rewriting.graph import Graph, Node, Tensor
from tfcompress.rewriting.prepare import prepare_for_quantization
from tfcompress.rewriting.training_only import TRAINING_ONLY

layers = keras.layers

# Attribute of the kernel, and how many of its last axes count output channels. The
# converter cannot carry a scale per channel through the transposition that it does
# to the kernels of Dense and Conv2DTranspose.
_KERNELS: dict[type, tuple[str, int]] = {
    layers.Conv1D: ("kernel", 1),
    layers.Conv2D: ("kernel", 1),
    layers.Conv2DTranspose: ("kernel", 0),
    layers.DepthwiseConv2D: ("depthwise_kernel", 2),
    layers.Dense: ("kernel", 0),
}
# The runtime's operator takes in a ReLU or ReLU6 that follows.
_TAKES_RELU = (
    layers.Conv1D,
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.Dense,
    layers.Add,
    layers.Subtract,
    layers.BatchNormalization,
)
_COMPUTING = (
    layers.Add,
    layers.Subtract,
    layers.Multiply,
    layers.BatchNormalization,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.LeakyReLU,
    layers.PReLU,
    BorderScale,
    HardSwish,
    HardSwishGate,
    WindowAverage,
)
_UNIT = (0.0, 255 / 256)
_FIXED_RANGES = {"sigmoid": _UNIT, "softmax": _UNIT, "tanh": (-1.0, 127 / 128)}
_ACTIVATIONS = ("relu", "relu6", "gelu")
# Output steps are input steps: these operators have one scale for all their tensors.
_MOVING = (
    layers.Concatenate,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Flatten,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.Maximum,
    layers.Minimum,
    layers.Permute,
    layers.RepeatVector,
    layers.Reshape,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    ChannelShuffle,
    Slice,
)
# One scale as well, but they make new values in between, which have to be rounded.
_RESAMPLING = (
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.Resizing,
    layers.UpSampling2D,
)


@dataclass(frozen=True)
class Plan:
    """What to do with each layer.

    Args:
      configs: what is rounded, by name of the layer; layers without an entry pass
        rounded values on.
      input_groups: name of the range of each input of the model.
      unsupported: why a layer has to compute in float, by name.
    """

    configs: dict[str, LayerQuantizeConfig] = field(default_factory=dict)
    input_groups: list[str] = field(default_factory=list)
    unsupported: dict[str, str] = field(default_factory=dict)


def make_plan(graph: Graph, keep_zeros: Collection[str] = ()) -> Plan:
    """Returns the plan for a graph that `prepare_for_quantization` has been through.

    Args:
      graph: is not changed.
      keep_zeros: names of layers whose zero weights stay zero.
    """
    groups = _Groups(graph)
    plan = Plan(input_groups=[groups.name(tensor) for tensor in graph.inputs])
    fused = {id(node.spec): True for node in graph.nodes}
    for node in graph.nodes:
        # A layer that is called twice is rounded after both calls or after none.
        fused[id(node.spec)] &= _is_taken_in(graph, node)
    for node in graph.nodes:
        reason = why_float(graph, node)
        if reason:
            plan.unsupported[node.name] = reason
        config = _config(node, groups, bool(reason), node.name in keep_zeros)
        if isinstance(node.layer, _MOVING) and _is_fork(graph, node):
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
    unsupported = make_plan(graph).unsupported
    texts = {layer.name: "yes" for layer in model.layers}
    for layer in texts:
        done = [change.text for change in changes if change.layer == layer]
        if done:
            texts[layer] = "; ".join(done)
    for name, reason in unsupported.items():
        # What a rewrite adds is named after the layer that it stands for.
        owner = max((n for n in texts if name.startswith(n)), key=len, default=name)
        texts[owner] = f"no: {reason}"
    return texts


def why_float(graph: Graph, node: Node) -> str:
    """Returns why a layer cannot compute in int8; nothing if it can."""
    layer = node.layer
    kind = type(layer).__name__
    if isinstance(layer, layers.Activation):
        name = keras.activations.serialize(layer.activation)
        known = isinstance(name, str) and name in (*_FIXED_RANGES, *_ACTIVATIONS)
        return "" if known else f"the runtime has no int8 operator for {name}"
    if isinstance(layer, layers.BatchNormalization):
        (tensor,) = node.inputs
        before = tensor.node.layer
        follows = isinstance(before, tuple(_KERNELS)) and graph.only_consumer(tensor)
        return "" if follows else "this BatchNormalization follows no convolution"
    if isinstance(layer, layers.ReLU):
        plain = _is_plain_relu(layer)
        return "" if plain else "a ReLU with a slope or bound has no int8 operator"
    if isinstance(layer, (layers.Resizing, layers.UpSampling2D)):
        how = layer.interpolation
        known = how in ("nearest", "bilinear")
        return "" if known else f"the runtime cannot resize by {how} in int8"
    listed = (
        layers.InputLayer,
        layers.Softmax,
        *_KERNELS,
        *_COMPUTING,
        *_MOVING,
        *_RESAMPLING,
        *TRAINING_ONLY,
    )
    known = isinstance(layer, listed)
    return "" if known else f"int8 inference of {kind} is not known"


def _config(
    node: Node, groups: _Groups, is_float: bool, keep_zeros: bool
) -> LayerQuantizeConfig:
    """Returns what is rounded if no other operator takes this one in."""
    layer = node.layer
    pools = isinstance(layer, (layers.AveragePooling1D, layers.AveragePooling2D))
    own = ActivationQuantizer(groups.name(node.output), ties_away=pools)
    if is_float:
        return LayerQuantizeConfig(output_quantizer=own, is_float=True)
    if bounds := _fixed_range(layer):
        return LayerQuantizeConfig(output_quantizer=FixedRangeQuantizer(*bounds))
    for kind in type(layer).__mro__:
        if kind in _KERNELS:
            attribute, axes = _KERNELS[kind]
            quantizer = WeightQuantizer(axes, keep_zeros)
            return LayerQuantizeConfig(attribute, quantizer, own)
    rounds = isinstance(
        layer, (*_COMPUTING, *_RESAMPLING, layers.ReLU, layers.Activation)
    )
    if isinstance(layer, (layers.Resizing, layers.UpSampling2D)):
        rounds = layer.interpolation != "nearest"
    return LayerQuantizeConfig(output_quantizer=own if rounds else None)


def _fixed_range(layer: keras.layers.Layer) -> tuple[float, float] | None:
    if isinstance(layer, layers.Softmax):
        return _FIXED_RANGES["softmax"]
    if isinstance(layer, HardSwishGate):
        return (0.0, layer.BOUND)
    if isinstance(layer, layers.Activation):
        return _FIXED_RANGES.get(keras.activations.serialize(layer.activation))
    return None


def _is_plain_relu(layer: keras.layers.Layer) -> bool:
    bound = layer.max_value
    plain = not layer.negative_slope and not layer.threshold
    return plain and (bound is None or float(bound) == 6.0)


def _is_taken_in(graph: Graph, node: Node) -> bool:
    """Returns whether the operator of the next layer ends later than this layer."""
    after = graph.only_consumer(node.output)
    if after is None:
        return False
    if isinstance(after.layer, layers.BatchNormalization):
        return isinstance(node.layer, tuple(_KERNELS))
    transposed = isinstance(node.layer, layers.Conv2DTranspose)
    takes = isinstance(node.layer, _TAKES_RELU) and not transposed
    return (
        takes and isinstance(after.layer, layers.ReLU) and _is_plain_relu(after.layer)
    )


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
            shares = isinstance(layer, (*_MOVING, *_RESAMPLING, *TRAINING_ONLY))
            for tensor in node.inputs if shares else ():
                if not _fixed_range(tensor.node.layer):
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
