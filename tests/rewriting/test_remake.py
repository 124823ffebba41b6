import tf_keras as keras

from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.remake import own_name, owner, remake, specs

layers = keras.layers


def twice():
    """A model that calls one layer twice."""
    image = keras.Input((4,), name="image")
    dense = layers.Dense(4, name="dense")
    return Graph.from_model(keras.Model(image, dense(dense(image))))


def test_a_layer_is_remade_but_for_what_is_changed():
    layer = layers.Dense(3, activation="relu", use_bias=False, name="dense")
    new = remake(layer, activation="linear")
    assert new is not layer and new.name == "dense"
    assert new.units == 3 and not new.use_bias
    assert new.activation is keras.activations.linear
    assert layer.activation is keras.activations.relu


def test_a_shared_layer_is_one_spec():
    assert [spec.name for spec in specs(twice())] == ["image", "dense"]


def test_the_name_of_a_shared_layer_stays_with_the_others():
    graph = twice()
    assert own_name(graph, graph.nodes[1]) == "dense_2"
    assert own_name(graph, graph.nodes[0]) == "image"


def test_what_a_rewrite_adds_belongs_to_the_longest_name_it_begins_with():
    names = ["act", "act_1", "conv"]
    assert owner("act_1_scaled", names) == owner("act_1", names) == "act_1"
    assert owner("act_2", names) == "act" and owner("other", names) == ""
