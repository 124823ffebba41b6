"""The dependency graph: which channels of a model live or die together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tf_keras as keras
from tf_keras.src.applications import convnext

from tfcompress.channels import elementwise, kernels, layout
from tfcompress.channels.coupling import Call, Channels, Coupling, Groups, WallError
from tfcompress.channels.cut import Cut
from tfcompress.layers.channel_shuffle import ChannelShuffle
from tfcompress.layers.depth_to_space import DepthToSpace, SpaceToDepth
from tfcompress.layers.slice import Slice
from tfcompress.rewriting.graph import Graph, LayerSpec, Node, Tensor
from tfcompress.rewriting.shapes import Shape, tensor_shape

_layers = keras.layers


class Kind(NamedTuple):
    """How a layer couples channels, and what becomes of it when some are removed.

    Args:
      couple: returns the channels of its output, and tells the `Coupling` which of
        them belong together; raises WallError where its input must stay as it is.
      cut: returns the layer that is left; None where nothing in it depends on
        channels.
    """

    couple: Callable[[Coupling, Call], Channels]
    cut: Callable[[LayerSpec, Sequence[Cut], Cut], LayerSpec] | None = None


KINDS: dict[type, Kind] = {
    **dict.fromkeys(kernels.FULL, Kind(kernels.couple_kernel, kernels.cut_kernel)),
    **dict.fromkeys(
        kernels.DEPTHWISE, Kind(kernels.couple_depthwise, kernels.cut_depthwise)
    ),
    **dict.fromkeys(elementwise.POINTWISE, Kind(elementwise.couple_pointwise)),
    **dict.fromkeys(elementwise.MERGES, Kind(elementwise.couple_merge)),
    **dict.fromkeys(layout.SPATIAL, Kind(layout.couple_spatial)),
    _layers.Activation: Kind(elementwise.couple_activation),
    _layers.Softmax: Kind(elementwise.couple_softmax),
    _layers.BatchNormalization: Kind(
        elementwise.couple_batch_normalization, elementwise.cut_vectors
    ),
    _layers.PReLU: Kind(elementwise.couple_pointwise, elementwise.cut_prelu),
    _layers.Rescaling: Kind(elementwise.couple_last, elementwise.cut_rescaling),
    convnext.LayerScale: Kind(elementwise.couple_last, elementwise.cut_layer_scale),
    _layers.Concatenate: Kind(layout.couple_concatenate),
    _layers.Permute: Kind(layout.couple_permute),
    _layers.Flatten: Kind(layout.couple_reshape),
    _layers.Reshape: Kind(layout.couple_reshape, layout.cut_reshape),
    Slice: Kind(layout.couple_slice, layout.cut_slice),
    ChannelShuffle: Kind(layout.couple_shuffle),
    DepthToSpace: Kind(layout.couple_depth_to_space),
    SpaceToDepth: Kind(layout.couple_space_to_depth),
}


@dataclass(frozen=True, eq=False)
class Dependencies:
    """The channels of every tensor of a graph, and the groups they are in.

    Attributes:
      channels: of each tensor.
      groups: which channels are one group, and which groups have to stay.
    """

    channels: dict[Tensor, Channels]
    groups: Groups

    def of(self, tensor: Tensor) -> np.ndarray:
        """Returns the group of each channel of a tensor."""
        return self.groups.of(self.channels[tensor])


def find_dependencies(graph: Graph, ignore: Sequence[str] = ()) -> Dependencies:
    """Walks a canonical model and finds what depends on which channel.

    Inputs and outputs of the model are never changed, and a layer that is not known
    keeps what it is given.

    Args:
      graph: of a canonical model.
      ignore: names of layers whose output channels are kept.
    """
    coupling = Coupling()
    channels: dict[Tensor, Channels] = {}
    first_calls: dict[int, Node] = {}
    further: dict[Node, set[Tensor]] = {}
    for tensor in (*graph.outputs, *(t for node in graph.nodes for t in node.inputs)):
        if tensor.index:
            further.setdefault(tensor.node, set()).add(tensor)
    for node in graph.nodes:
        call = Call(
            node,
            [channels[tensor] for tensor in node.inputs],
            [_sizes(graph, tensor) for tensor in node.inputs],
            _sizes(graph, node.output),
        )
        found = _couple(coupling, call)
        first = first_calls.setdefault(id(node.spec), node)
        kind = KINDS.get(type(node.layer))
        if first is not node and kind is not None and kind.cut is not None:
            _tie_calls(coupling, channels, first, node, found)
        if node.name in ignore:
            coupling.freeze(found.ids, f"{node.name} is in ignore")
        if node.output in graph.outputs:
            coupling.freeze(found.ids, f"{node.name} is an output of the model")
        channels[node.output] = found
        for tensor in further.get(node, ()):
            why = f"{node.name} gives several tensors"
            channels[tensor] = _kept(coupling, _sizes(graph, tensor), why)
    return Dependencies(channels, coupling.groups())


def _sizes(graph: Graph, tensor: Tensor) -> Shape:
    return tensor_shape(graph, tensor)[1:]


def _couple(coupling: Coupling, call: Call) -> Channels:
    try:
        if isinstance(call.layer, _layers.InputLayer):
            raise WallError("is an input of the model")
        if () in call.input_shapes:
            raise WallError("is given a tensor without channels")
        if type(call.layer) not in KINDS:
            raise WallError(
                f"is a {type(call.layer).__name__}, which reads all channels"
            )
        made = KINDS[type(call.layer)].couple(coupling, call)
        if call.output_shape[made.axis] not in (None, made.size):
            raise WallError("stretches its input over more channels")
        return made
    except WallError as wall:
        for channels in call.inputs:
            coupling.freeze(channels.ids, f"{call.node.name} {wall}")
        return _kept(coupling, call.output_shape, f"{call.node.name} {wall}")


def _kept(coupling: Coupling, shape: Shape, why: str) -> Channels:
    """Returns channels of their own that have to stay; one where there is no axis."""
    made = coupling.new((shape or (1,))[-1] or 1, max(0, len(shape) - 1))
    coupling.freeze(made.ids, why)
    return made


def _tie_calls(
    coupling: Coupling,
    channels: dict[Tensor, Channels],
    first: Node,
    node: Node,
    found: Channels,
) -> None:
    """Ties the channels of two calls of a layer that there will be only one of."""
    pairs = [(channels[first.output], found)]
    for ours, theirs in zip(first.inputs, node.inputs, strict=True):
        pairs.append((channels[ours], channels[theirs]))
    for one, other in pairs:
        if one.size == other.size and one.axis == other.axis:
            coupling.tie(one.ids, other.ids)
        else:
            for ids in (one.ids, other.ids):
                coupling.freeze(ids, f"{node.name} is called with different shapes")


def remove_channels(graph: Graph, dependencies: Dependencies, keep: np.ndarray) -> None:
    """Takes groups of channels out of a graph, in place.

    What is left computes what the whole did with zeros in the place of the channels
    that are gone, wherever a tensor had them.

    Args:
      graph: the one that the dependencies were found in.
      dependencies: of it.
      keep: (number of groups,) whether each group stays.
    """

    def cut(tensor: Tensor) -> Cut:
        found = dependencies.channels[tensor]
        kept = np.flatnonzero(keep[dependencies.groups.of(found)])
        return Cut(found.axis, found.size, kept)

    specs: dict[int, LayerSpec] = {}
    for node in graph.nodes:
        if id(node.spec) not in specs:
            inputs, output = [cut(tensor) for tensor in node.inputs], cut(node.output)
            is_whole = all(len(c.kept) == c.size for c in (*inputs, output))
            kind = KINDS.get(type(node.layer))
            specs[id(node.spec)] = (
                node.spec
                if is_whole or kind is None or kind.cut is None
                else kind.cut(node.spec, inputs, output)
            )
    for node in graph.nodes:
        node.spec = specs[id(node.spec)]
