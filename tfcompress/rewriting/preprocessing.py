"""What a model does to its input first: Rescaling and Normalization."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.rewriting.affine import BATCH_NORMALIZATIONS, read_affine
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, LayerSpec, Node, Tensor
from tfcompress.rewriting.linear import fold_into
from tfcompress.rewriting.remake import remake
from tfcompress.rewriting.training_only import is_training_only


def float_inputs(graph: Graph) -> list[Change]:
    """Makes inputs of integers inputs of floats, which take the same numbers.

    Only Rescaling and the like take integers; a convolution in their place does not.
    """
    changes = []
    for node in graph.nodes:
        if not isinstance(node.layer, keras.layers.InputLayer):
            continue
        dtype = node.layer.get_config()["dtype"]
        if "int" in dtype:
            node.spec = LayerSpec(remake(node.layer, dtype="float32"))
            changes.append(Change(node.name, f"made to take float32, not {dtype}"))
    return changes


def is_preprocessing(node: Node) -> bool:
    """Returns whether nothing but training-only layers lies before a node."""
    before = node.inputs[0].node
    while is_training_only(before):
        before = before.inputs[0].node
    return isinstance(before.layer, keras.layers.InputLayer)


def fold_preprocessing(graph: Graph) -> list[Change]:
    """Folds the preprocessing of every input into the first convolution.

    Raises:
      InvalidArgumentError: what takes it is no convolution or dense layer of its own,
        or pads with zeros that were not shifted.
    """
    changes = []
    for tensor in graph.inputs:
        for node in reversed(_preprocessing(graph, tensor)):
            affine, later = read_affine(node), graph.only_consumer(node.output)
            target = affine and later and fold_into(graph, affine, later)
            if not target:
                raise InvalidArgumentError(
                    f"preprocessing='fold': {node.name} cannot be folded into what "
                    "follows it; expected a convolution or dense layer that alone "
                    "takes it and, if values are shifted, pads nothing; use 'keep'"
                )
            graph.bypass(node)
            changes.append(Change(node.name, f"folded into {target.name}"))
    return changes


def _preprocessing(graph: Graph, tensor: Tensor) -> list[Node]:
    """Returns the Rescaling and Normalization that an input goes through, in order."""
    found = []
    node = graph.only_consumer(tensor)
    while node:
        affine = read_affine(node) and type(node.layer) not in BATCH_NORMALIZATIONS
        if affine:
            found.append(node)
        elif not is_training_only(node):
            break
        node = graph.only_consumer(node.output)
    return found
