import pytest
import tensorflow as tf
import tf_keras as keras
import tiny

from tfcompress.errors import ModelError
from tfcompress.rewriting.graph import Graph, LayerSpec, Tensor
from tfcompress.rewriting.shapes import tensor_shape

layers = keras.layers


class Doubled(layers.Layer):
    """A layer that says nothing about its shape."""

    def build(self, shape):
        self.factor = self.add_weight("factor", shape[-1:])

    def call(self, inputs):
        return tf.concat([inputs, inputs * self.factor], axis=-1)


def several_branches():
    image, other = keras.Input((8, 12, 3)), keras.Input((8,))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(image)
    y = layers.Multiply()([x, layers.Reshape((1, 1, 8))(other)])
    y = layers.Concatenate()([x, layers.UpSampling2D()(layers.MaxPooling2D()(y))])
    z = layers.GlobalAveragePooling2D()(layers.ZeroPadding2D(((1, 2), (0, 3)))(y))
    return keras.Model([image, other], [y, layers.Dense(5)(Doubled()(z))])


@pytest.mark.parametrize("make", [tiny.model, several_branches])
def test_shapes_are_those_that_keras_finds_by_building(make):
    model = make()
    graph = Graph.from_model(model)
    for node in graph.nodes:
        assert tensor_shape(graph, node.output) == tuple(
            tf.nest.flatten(node.layer.output)[0].shape
        )
    assert tensor_shape(graph, graph.outputs[0]) == model.outputs[0].shape


def test_layers_stay_unbuilt():
    graph = Graph("model")
    x = graph.add(layers.InputLayer((4, 4, 3)), []).output
    for layer in (layers.Conv2D(2, 3), layers.BatchNormalization(), Doubled()):
        x = graph.add(layer, x).output
    assert tensor_shape(graph, x) == (None, 2, 2, 4)
    assert not any(node.layer.built for node in graph.nodes[1:])


def test_nothing_of_the_declared_size_is_allocated():
    graph = Graph("model")
    x = graph.add(layers.InputLayer((10**6, 10**6, 3)), []).output
    x = graph.add(layers.Conv2D(10**9, 3), x).output
    x = graph.add(layers.GlobalMaxPooling2D(), x).output
    assert tensor_shape(graph, graph.add(layers.Dense(7), x).output) == (None, 7)


def test_deeper_than_the_stack_of_python():
    graph = Graph("model")
    x = graph.add(layers.InputLayer((4, 4, 3)), []).output
    for _ in range(2000):
        x = graph.add(layers.ReLU(), x).output
    assert tensor_shape(graph, x) == (None, 4, 4, 3)


def test_another_layer_or_input_gives_another_shape():
    graph = Graph("model")
    x = graph.add(layers.InputLayer((4, 4, 3)), []).output
    conv = graph.add(layers.Conv2D(2, 3), x)
    flat = graph.add(layers.Flatten(), conv.output)
    assert tensor_shape(graph, flat.output) == (None, 8)
    flat.inputs = [x]
    assert tensor_shape(graph, flat.output) == (None, 48)
    flat.spec = LayerSpec(layers.ReLU())
    assert tensor_shape(graph, flat.output) == (None, 4, 4, 3)


def test_several_outputs_of_one_layer():
    class Halves(layers.Layer):
        def call(self, inputs):
            return tf.split(inputs, 2, axis=-1)

        def compute_output_shape(self, shape):
            return [(*shape[:-1], shape[-1] // 2)] * 2

    graph = Graph("model")
    node = graph.add(Halves(), graph.add(layers.InputLayer((4, 6)), []).output)
    assert tensor_shape(graph, Tensor(node, 1)) == (None, 4, 3)


@pytest.mark.parametrize(
    "layer",
    [layers.Conv2D(2, 5, name="wide"), layers.Reshape((7,), name="wide")],
)
def test_a_layer_that_does_not_fit_is_named(layer):
    graph = Graph("model")
    x = graph.add(layers.InputLayer((4, 4, 3)), []).output
    with pytest.raises(ModelError, match=r"layer wide .*\(None, 4, 4, 3\)") as caught:
        tensor_shape(graph, graph.add(layer, x).output)
    assert "\n" not in str(caught.value)
