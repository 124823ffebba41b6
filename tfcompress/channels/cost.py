"""What a model costs with some of its channels, by arithmetic: nothing is built."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import tf_keras as keras

from tfcompress.channels.dependency import Dependencies
from tfcompress.channels.kernels import DEPTHWISE, FULL, TRANSPOSED
from tfcompress.rewriting.graph import Graph, Node
from tfcompress.rewriting.shapes import tensor_shape


@dataclass(frozen=True, eq=False)
class Kernel:
    """A layer with a kernel, and what its cost depends on.

    Args:
      name: of the layer.
      inputs: group of each input channel that a full kernel reads; empty for a
        depthwise one.
      outputs: group of each output channel.
      weights_each: weights for each pair of input and output channel (for each output
        channel where it is depthwise).
      positions: number of places at which the kernel is applied, in all calls.
    """

    name: str
    inputs: np.ndarray
    outputs: np.ndarray
    weights_each: float
    positions: int

    def num_weights(self, keep: np.ndarray) -> float:
        """Returns the weights of the kernel with the groups that are kept."""
        weights = self.weights_each * keep[self.outputs].sum()
        return float(weights * keep[self.inputs].sum() if self.inputs.size else weights)


@dataclass(frozen=True, eq=False)
class Cost:
    """The cost of a model as a function of the groups of channels that it keeps.

    Args:
      kernels: of convolutions and dense layers.
      vectors: (number of groups,) weights that the channels of a group have for
        themselves: biases, BatchNorm.
      others: number of weights that depend on no channel.
    """

    kernels: list[Kernel]
    vectors: np.ndarray
    others: int

    def macs(self, keep: np.ndarray) -> int:
        """Returns the multiply-accumulates of one image.

        Args:
          keep: (number of groups,) whether each group stays.
        """
        return round(sum(k.positions * k.num_weights(keep) for k in self.kernels))

    def params(self, keep: np.ndarray) -> int:
        """Returns the number of weights, biases and statistics."""
        kernels = sum(kernel.num_weights(keep) for kernel in self.kernels)
        return round(kernels) + int(self.vectors[keep].sum()) + self.others


def measure_cost(graph: Graph, dependencies: Dependencies) -> Cost:
    """Returns the cost of a model as a function of its channels."""
    calls: dict[int, list[Node]] = {}
    for node in graph.nodes:
        calls.setdefault(id(node.spec), []).append(node)
    kernels, others = [], 0
    vectors = np.zeros(len(dependencies.groups), int)
    for nodes in calls.values():
        node = nodes[0]
        weights = list(node.spec.weights or [])
        outputs = dependencies.of(node.output)
        if isinstance(node.layer, (*FULL, *DEPTHWISE)):
            kernels.append(_kernel(graph, dependencies, nodes, weights.pop(0)))
        is_prelu = isinstance(node.layer, keras.layers.PReLU)
        axis = dependencies.channels[node.output].axis
        for weight in weights:
            # A PReLU may have a slope for each pixel of a channel.
            size = weight.shape[axis] if is_prelu else weight.size
            if size == outputs.size:
                np.add.at(vectors, outputs, weight.size // size)
            else:
                others += weight.size
    return Cost(kernels, vectors, others)


def _kernel(
    graph: Graph, dependencies: Dependencies, nodes: list[Node], kernel: np.ndarray
) -> Kernel:
    node = nodes[0]
    layer = node.layer
    outputs = dependencies.of(node.output)
    is_depthwise = isinstance(layer, DEPTHWISE)
    inputs = np.array([], int) if is_depthwise else dependencies.of(node.inputs[0])
    is_transposed = isinstance(layer, TRANSPOSED)
    tensors = [n.inputs[0] if is_transposed else n.output for n in nodes]
    positions = sum(
        math.prod(size or 1 for size in tensor_shape(graph, tensor)[1:-1])
        for tensor in tensors
    )
    pairs = outputs.size * (1 if is_depthwise else inputs.size)
    return Kernel(node.name, inputs, outputs, kernel.size / pairs, positions)
