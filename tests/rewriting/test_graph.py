import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import ModelError
from tfcompress.rewriting.graph import Graph, LayerSpec, Tensor, copy_layer

layers = keras.layers
IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")


def test_a_graph_builds_the_model_it_came_from():
    model = tiny.model()
    copy = Graph.from_model(model).to_model()
    assert np.array_equal(model(IMAGES), copy(IMAGES))
    assert [layer.name for layer in copy.layers] == [x.name for x in model.layers]
    assert copy.name == model.name
    assert not {id(layer) for layer in copy.layers} & {id(x) for x in model.layers}


def test_a_shared_layer_stays_shared():
    image = keras.Input((4,), name="image")
    dense = layers.Dense(4, name="dense")
    graph = Graph.from_model(keras.Model(image, dense(dense(image))))
    first, second = graph.nodes[1:]
    assert graph.is_shared(first) and first.spec is second.spec
    assert len(graph.to_model().weights) == 2


def test_several_inputs_and_outputs_keep_their_order():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    total = layers.Add(name="total")([a, b])
    model = keras.Model([b, a], [layers.Subtract(name="less")([b, a]), total])
    copy = Graph.from_model(model).to_model()
    values = [np.array([[5.0, 6.0]]), np.array([[1.0, 2.0]])]
    less, total = copy(values)
    assert np.array_equal(less, [[4.0, 4.0]]) and np.array_equal(total, [[6.0, 8.0]])


def test_changing_the_graph_leaves_the_model_alone():
    model = tiny.model()
    before = model(IMAGES).numpy()
    graph = Graph.from_model(model)
    relu = next(node for node in graph.nodes if node.name == "stem_relu")
    graph.bypass(relu)
    changed = graph.to_model()
    assert "stem_relu" not in [layer.name for layer in changed.layers]
    assert not np.allclose(changed(IMAGES), before)
    assert np.array_equal(model(IMAGES), before)


def test_a_layer_is_added_in_between():
    image = keras.Input((2,), name="image")
    graph = Graph.from_model(keras.Model(image, layers.ReLU(name="relu")(image)))
    (tensor,) = graph.inputs
    node = graph.add(layers.Rescaling(3.0, name="scale"), tensor)
    graph.redirect(tensor, node.output, besides=[node])
    assert [n.name for n in graph.nodes] == ["image", "scale", "relu"]
    assert np.array_equal(graph.to_model()(np.array([[1.0, -1.0]])), [[3.0, 0.0]])


def test_redirecting_to_a_later_node_puts_the_nodes_in_order():
    image = keras.Input((2,), name="image")
    first = layers.ReLU(name="first")(image)
    graph = Graph.from_model(keras.Model(image, layers.ReLU(name="second")(first)))
    first, second = graph.nodes[1:]
    late = graph.add(layers.Rescaling(2.0, name="late"), graph.inputs[0])
    graph.nodes.remove(late)
    graph.nodes.append(late)
    graph.redirect(first.output, late.output)
    assert graph.nodes.index(late) < graph.nodes.index(second)


def test_a_node_in_use_cannot_be_removed():
    graph = Graph.from_model(tiny.model())
    with pytest.raises(ValueError, match="in use"):
        graph.remove(graph.nodes[1])


def test_only_consumer():
    graph = Graph.from_model(tiny.model())
    by_name = {node.name: node for node in graph.nodes}
    assert graph.only_consumer(by_name["stem_conv"].output) is by_name["stem_norm"]
    # The residual: taken by the projection and by the addition.
    assert graph.only_consumer(by_name["block_relu"].output) is None
    # The user takes the logits.
    assert graph.only_consumer(by_name["logits"].output) is None


def test_free_names():
    graph = Graph.from_model(tiny.model())
    assert graph.free_name("new") == "new"
    assert graph.free_name("pool") == "pool_2"


def test_weights_go_to_the_layer_in_a_wrapper():
    image = keras.Input((3, 2), name="image")
    dense = layers.Dense(1, use_bias=False, name="dense")
    graph = Graph.from_model(keras.Model(image, dense(image)))
    graph.nodes[1].spec.weights = [np.array([[1.0], [2.0]])]

    def make(spec: LayerSpec):
        copy = copy_layer(spec)
        return layers.TimeDistributed(copy) if spec.name == "dense" else copy

    assert np.array_equal(graph.to_model(make)(np.ones((1, 3, 2))), [[[3.0]] * 3])


def test_a_layer_called_with_loose_tensors_is_refused():
    image = keras.Input((2,), name="image")
    model = keras.Model(
        image, layers.MultiHeadAttention(1, 1)(image[:, None], image[:, None])
    )
    with pytest.raises(ModelError, match="load_model first"):
        Graph.from_model(model)


def test_a_tensor_is_told_by_node_and_index():
    graph = Graph.from_model(tiny.model())
    node = graph.nodes[1]
    assert node.output == Tensor(node, 0) != Tensor(node, 1)
    assert repr(node) == "<Conv2D stem_conv>"
