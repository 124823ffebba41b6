"""The layers of a graph, and one made anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tf_keras as keras

from tfcompress.rewriting.graph import Graph, LayerSpec, Node


def specs(graph: Graph) -> list[LayerSpec]:
    """Returns every layer of a graph once, in order of its first call."""
    return list({id(node.spec): node.spec for node in graph.nodes}.values())


def remake(layer: keras.layers.Layer, **settings: Any) -> keras.layers.Layer:
    """Returns a new, unbuilt layer like `layer` but for some entries of its config.

    Args:
      layer: stays as it is.
      **settings: entries of the config and their new values.

    Example:
      >>> remake(keras.layers.Dense(3), use_bias=False).use_bias
      False
    """
    return type(layer).from_config(layer.get_config() | settings)


def own_name(graph: Graph, node: Node) -> str:
    """Returns the name for a layer that takes the place of this call alone.

    It is the name of the layer that is called, unless others go on calling that.
    """
    return graph.free_name(node.name) if graph.is_shared(node) else node.name


def owner(name: str, layers: Iterable[str]) -> str:
    """Returns the layer of the model that a layer of its rewritten graph stands for.

    What a rewrite adds is named after it, with more behind; nothing where no name fits.

    Args:
      name: of the layer of the graph.
      layers: names of the model's layers.

    Example:
      >>> owner("act_1_scaled", ["act", "act_1", "conv"])
      'act_1'
    """
    return max((each for each in layers if name.startswith(each)), key=len, default="")
