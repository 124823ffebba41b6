"""Convolutions of sequences as convolutions of images of width 1."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.rewriting.affine import BATCH_NORMALIZATIONS, read_affine
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec, Node, Tensor
from tfcompress.rewriting.linear import is_linear, num_inputs, num_outputs
from tfcompress.rewriting.remake import remake, specs

_layers = keras.layers
_TWINS: dict[type, type[keras.layers.Layer]] = {
    _layers.Conv1D: _layers.Conv2D,
    _layers.Conv1DTranspose: _layers.Conv2DTranspose,
    _layers.DepthwiseConv1D: _layers.DepthwiseConv2D,
}


def conv1d_to_conv2d(graph: Graph) -> list[Change]:
    """Makes a Conv1D, DepthwiseConv1D or Conv1DTranspose a 2D one, between Reshapes.

    The converter does this too, but then it cannot round a kernel by channel nor fold
    a BatchNorm. The Reshape behind comes after BatchNorm and ReLU, and is left out
    where another such convolution follows.
    """
    changes = []
    # What a Reshape put out, and the image that it was made of.
    images: dict[Tensor, Tensor] = {}
    for spec in specs(graph):
        nodes = [node for node in graph.nodes if node.spec is spec]
        if type(spec.layer) not in _TWINS or not is_linear(nodes[0]):
            continue
        channels = num_inputs(nodes[0]), num_outputs(nodes[0])
        left = _causal_padding(spec.layer)
        _make_2d(spec)
        for node in nodes:
            _spread(graph, node, channels[0], images)
            if left:
                name = graph.free_name(f"{spec.name}_padding")
                pad = _layers.ZeroPadding2D(((left, 0), (0, 0)), name=name)
                node.inputs = [graph.add(pad, node.inputs[0]).output]
            _flatten(graph, node, channels[1], images)
        text = f"rewritten to {type(spec.layer).__name__} between Reshapes"
        changes.append(Change(spec.name, text))
    for flat in images:
        if not graph.consumers(flat) and flat not in graph.outputs:
            graph.remove(flat.node)
    return changes


def _causal_padding(layer: keras.layers.Layer) -> int:
    if layer.padding != "causal":
        return 0
    return int((layer.kernel_size[0] - 1) * layer.dilation_rate[0])


def _make_2d(spec: LayerSpec) -> None:
    config = spec.layer.get_config()
    config.pop("batch_input_shape", None)
    for key in ("kernel_size", "dilation_rate"):
        config[key] = (*config[key], 1)
    if "output_padding" in config:
        # This one would widen.
        config["strides"] = (*config["strides"], 1)
        if config["output_padding"] is not None:
            config["output_padding"] = (*config["output_padding"], 0)
    else:
        # A depthwise convolution wants both the same; of a width of 1, any leaves 1.
        config["strides"] *= 2
    if config["padding"] == "causal":
        config["padding"] = "valid"
    twin = _TWINS[type(spec.layer)]
    if config["groups"] > 1:
        twin = GroupedConv2D
    spec.layer = twin.from_config(config)
    kernel, *biases = spec.weights or []
    spec.weights = [kernel[:, None], *biases]


def _spread(
    graph: Graph, node: Node, channels: int, images: dict[Tensor, Tensor]
) -> None:
    """Gives a node its input as an image of width 1."""
    (given,) = node.inputs
    if given not in images:
        name = graph.free_name(f"{node.name}_as_image")
        image = graph.add(_layers.Reshape((-1, 1, channels), name=name), given)
        node.inputs = [image.output]
    else:
        node.inputs = [images[given]]


def _flatten(
    graph: Graph, node: Node, channels: int, images: dict[Tensor, Tensor]
) -> None:
    """Makes a sequence again of what a node, its BatchNorm and its ReLU put out."""
    name = graph.free_name(f"{node.name}_reshaped")
    end = node
    while (after := graph.only_consumer(end.output)) and _takes_any_rank(after):
        end = after
    flat = graph.add(_layers.Reshape((-1, channels), name=name), end.output)
    graph.redirect(end.output, flat.output, besides=[flat])
    images[flat.output] = end.output


def _takes_any_rank(node: Node) -> bool:
    """Returns whether a node works on images as on sequences; makes a BatchNorm so."""
    if type(node.layer) in BATCH_NORMALIZATIONS and read_affine(node):
        node.spec.layer = remake(node.layer, axis=-1)
        return True
    return type(node.layer) is _layers.ReLU
