"""How long a model takes by the channels that it keeps, from a table of its layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tf_keras as keras

from tfcompress.channels.cost import Kernel
from tfcompress.channels.kernels import DEPTHWISE, TRANSPOSED
from tfcompress.channels.removal import Removable
from tfcompress.profiling.layer_file import LayerShape, Pair
from tfcompress.profiling.layer_table import LayerTable, WholeLayer
from tfcompress.rewriting.graph import Graph, Node
from tfcompress.rewriting.shapes import tensor_shape

_layers = keras.layers
_CONVOLUTIONS = (_layers.Conv1D, _layers.Conv2D)
# Of kernels that no table holds (transposed, three-dimensional): 20 billion a second.
_MS_PER_MAC = 5e-8


@dataclass(frozen=True, eq=False)
class ChannelLatency:
    """The time that the layers with a kernel take, of a model and of what it becomes.

    What is between them (additions, pooling) is left out, and each layer is alone with
    the caches: the sum rises with the time of the whole, and is not it.

    Args:
      removable: the model before anything is removed.
    """

    removable: Removable

    @cached_property
    def layers(self) -> dict[str, list[WholeLayer]]:
        """The calls of each layer that a table can hold, by its name."""
        kernels = {kernel.name: kernel for kernel in self.removable.cost.kernels}
        found: dict[str, list[WholeLayer]] = {}
        for node in self.removable.graph.nodes:
            shape = layer_shape(self.removable.graph, node)
            if shape is not None and node.name in kernels:
                kernel = kernels[node.name]
                multiplier = getattr(node.layer, "depth_multiplier", 1)
                found.setdefault(node.name, []).append(
                    WholeLayer(
                        shape,
                        kernel.inputs.size or kernel.outputs.size // multiplier,
                        kernel.outputs.size,
                    )
                )
        return found

    @cached_property
    def table(self) -> LayerTable:
        """The times of all layers; measured when it is first asked for."""
        calls = [call for calls in self.layers.values() for call in calls]
        return LayerTable.measure(calls)

    def latency_ms(self, removable: Removable, keep: np.ndarray) -> float:
        """Returns the milliseconds of all layers together.

        Args:
          removable: the model, or one that came of it by removing channels.
          keep: (number of groups,) whether each stays.
        """
        return sum(self._latency_ms(kernel, keep) for kernel in removable.cost.kernels)

    def _latency_ms(self, kernel: Kernel, keep: np.ndarray) -> float:
        if kernel.name not in self.layers:
            return _MS_PER_MAC * kernel.positions * kernel.num_weights(keep)
        channels = int(keep[kernel.inputs].sum()), int(keep[kernel.outputs].sum())
        return sum(
            self.table.latency_ms(call, *channels) for call in self.layers[kernel.name]
        )


def layer_shape(graph: Graph, node: Node) -> LayerShape | None:
    """Returns what of a call the runtime's time depends on, besides channels.

    Args:
      graph: of a canonical model.
      node: one of its calls.

    Returns:
      None for what is no convolution of one or two dimensions and no dense layer.
    """
    layer = node.layer
    is_depthwise = isinstance(layer, DEPTHWISE)
    if isinstance(layer, _layers.Dense):
        places = tensor_shape(graph, node.output)[1:-1]
        return LayerShape("FULLY_CONNECTED", (1, math.prod(p or 1 for p in places)))
    # Transposed ones are subclasses of the others.
    is_full = isinstance(layer, _CONVOLUTIONS) and not isinstance(layer, TRANSPOSED)
    if not is_depthwise and not is_full:
        return None
    return LayerShape(
        "DEPTHWISE_CONV_2D" if is_depthwise else "CONV_2D",
        _pair(tensor_shape(graph, node.inputs[0])[1:-1]),
        _pair(layer.kernel_size),
        _pair(layer.strides),
        _pair(layer.dilation_rate),
        # Causal convolutions are padded, which becomes a layer of its own.
        "valid" if layer.padding == "valid" else "same",
        1 if is_depthwise else layer.groups,
    )


def _pair(sizes: tuple[int | None, ...]) -> Pair:
    """Returns height and width; a sequence is an image of one row."""
    *above, last = (size or 1 for size in sizes)
    return (above[-1] if above else 1), last
