import numpy as np
import pytest
import tf_keras as keras

from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.merges import split_merges, split_normalized_dots

layers = keras.layers


@pytest.mark.parametrize("kind", [layers.Add, layers.Multiply, layers.Average])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_outputs_are_equal_and_every_merge_takes_two(kind, count):
    inputs = [keras.Input((2, 2, 3), name=f"in_{i}") for i in range(count)]
    model = keras.Model(inputs, kind(name="merge")(inputs))
    graph = Graph.from_model(model)
    changes = split_merges(graph)
    split = graph.to_model()
    values = [np.random.default_rng(i).normal(size=(2, 2, 2, 3)) for i in range(count)]
    assert np.allclose(model(values), split(values), rtol=1e-6)
    merges = [
        n for n in graph.nodes if isinstance(n.layer, (layers.Add, layers.Multiply))
    ]
    assert [len(node.inputs) for node in merges] == [2] * (count - 1)
    assert split.layers[-1].name == "merge"
    assert bool(changes) == (count > 2 or kind is layers.Average)


def test_a_merge_of_one_tensor_with_itself_stays():
    image = keras.Input((2,), name="image")
    graph = Graph.from_model(
        keras.Model(image, layers.Add(name="twice")([image, image]))
    )
    assert split_merges(graph) == []
    assert np.array_equal(graph.to_model()(np.ones((1, 2))), [[2.0, 2.0]])


@pytest.mark.parametrize("axes", [1, 2, (1, 2)])
def test_a_dot_that_normalizes_gets_layers_for_that(rewritten, axes):
    given = [keras.Input((5, 5)), keras.Input((5, 5))]
    dot = layers.Dot(axes, normalize=True, name="dot")
    model, changes = rewritten(keras.Model(given, dot(given)), split_normalized_dots)
    kinds = [type(layer).__name__ for layer in model.layers[2:]]
    assert kinds == ["UnitNormalization", "UnitNormalization", "Dot"]
    assert [change.layer for change in changes] == ["dot"]


def test_a_dot_that_does_not_stays(rewritten):
    given = [keras.Input((5,)), keras.Input((5,))]
    model = keras.Model(given, layers.Dot(1)(given))
    assert rewritten(model, split_normalized_dots)[1] == []
