"""Merges of tensors as those that the runtime has."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.remake import remake, specs

layers = keras.layers


def split_merges(graph: Graph) -> list[Change]:
    """Makes Add and Multiply of many tensors a chain of two each, and Average a sum.

    The runtime's ADD takes two tensors, so a sum of three is rounded in between: with
    a layer for each step that place exists in the model. The last layer of the chain
    keeps the name.
    """
    changes = []
    for node in list(graph.nodes):
        kind = type(node.layer)
        is_average = kind is layers.Average
        if kind not in (layers.Add, layers.Multiply, layers.Average):
            continue
        if len(node.inputs) == 2 and not is_average:
            continue
        step = layers.Multiply if kind is layers.Multiply else layers.Add
        total, *others = node.inputs
        last = len(others) - 1
        for index, other in enumerate(others):
            ends = index == last and not is_average
            name = node.name if ends else graph.free_name(f"{node.name}_{index}")
            total = graph.add(step(name=name), [total, other]).output
        if is_average:
            scale = layers.Rescaling(1 / len(node.inputs), name=node.name)
            total = graph.add(scale, total).output
        graph.redirect(node.output, total)
        graph.remove(node)
        text = f"split into {len(others)} {step.__name__}"
        text += " and a Rescaling" * is_average
        changes.append(Change(node.name, text))
    return changes


def split_normalized_dots(graph: Graph) -> list[Change]:
    """Makes two UnitNormalizations and a Dot of each Dot that normalizes.

    The runtime rounds what it has normalized, so a place for that has to exist.
    """
    changes = []
    for spec in specs(graph):
        if type(spec.layer) is not layers.Dot or not spec.layer.normalize:
            continue
        axes = spec.layer.axes
        axes = axes if isinstance(axes, (list, tuple)) else (axes, axes)
        spec.layer = remake(spec.layer, normalize=False)
        for node in [node for node in graph.nodes if node.spec is spec]:
            for index, axis in enumerate(axes):
                name = graph.free_name(f"{spec.name}_{index}")
                unit = layers.UnitNormalization(axis, name=name)
                node.inputs[index] = graph.add(unit, node.inputs[index]).output
        changes.append(Change(spec.name, "split into 2 UnitNormalization and a Dot"))
    return changes
