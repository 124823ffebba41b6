import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from channels.nets import groups_of, layers, model, reason, shapes, without
from contract.random_graphs import Reversed, random_weights
from masking import outputs, removed

from tfcompress.channels.dependency import find_dependencies
from tfcompress.rewriting.graph import Graph

pool = layers.GlobalAveragePooling2D


@keras.saving.register_keras_serializable(package="test_dependency")
class Halves(layers.Layer):
    """A layer of two outputs."""

    def call(self, inputs):
        return tf.split(inputs, 2, axis=-1)


@keras.saving.register_keras_serializable(package="test_dependency")
class Total(layers.Layer):
    """A layer whose output has no axis but the batch."""

    def call(self, inputs):
        return tf.reduce_sum(inputs, axis=(1, 2, 3))


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (Reversed(name="wall"), "wall is a Reversed, which reads all channels"),
        (
            layers.LayerNormalization(name="wall"),
            "wall is a LayerNormalization, which reads all channels",
        ),
        (
            layers.GroupNormalization(2, name="wall"),
            "wall is a GroupNormalization, which reads all channels",
        ),
        (layers.Softmax(name="wall"), "wall computes a softmax over all channels"),
    ],
)
def test_walls_keep_what_they_are_given_and_say_why(layer, why):
    after = layers.Conv2D(4, 1, name="after")
    net = model(lambda x: pool()(after(layer(x))))
    assert reason(net) == reason(net, "wall") == why
    # What comes behind is free again.
    assert reason(net, "after") == ""
    without(net, (0,), "after")


def test_a_subclass_of_a_known_layer_is_not_known():
    class Own(layers.ReLU):
        pass

    net = model(lambda x: pool()(Own(name="own")(x)))
    assert reason(net) == "own is a Own, which reads all channels"


def test_inputs_and_outputs_of_the_model_are_kept():
    net = model(lambda x: [pool()(x), layers.ReLU(name="relu")(x)])
    assert reason(net) == "relu is an output of the model" or reason(net).endswith(
        "is an output of the model"
    )
    (name,) = [
        layer.name for layer in net.layers if not layer.inbound_nodes[0].inbound_layers
    ]
    assert reason(net, name) == f"{name} is an input of the model"


def test_a_layer_that_is_an_output_and_goes_on():
    net = model(lambda x: [layers.Dense(2, name="end")(pool(name="pool")(x)), x])
    assert reason(net) == "conv is an output of the model"


def test_ignored_layers_keep_their_channels():
    net = model(lambda x: pool()(layers.ReLU(name="relu")(x)))
    graph = Graph.from_model(net)
    found = find_dependencies(graph, ["relu"])
    assert {*found.groups.reasons} == {
        "relu is in ignore",
        f"{net.inputs[0].name} is an input of the model",
        "end is an output of the model",
    }


def test_several_inputs_meet():
    images = [layers.Input((4, 4, 3)), layers.Input((4, 4, 2))]
    first = layers.Conv2D(6, 1, name="first")(images[0])
    second = layers.Conv2D(6, 1, name="conv")(images[1])
    x = pool()(layers.Add(name="add")([first, second]))
    net = keras.Model(images, [layers.Dense(2, name="end")(x), layers.Dense(3)(x)])
    random_weights(net, 0)
    one, other, both = groups_of(net, "first", "conv", "add")
    assert one == other == both
    smaller = without(net, (0, 5))
    assert shapes(smaller, "first") == [(1, 1, 3, 4), (4,)]
    assert [t.shape[1] for t in smaller.outputs] == [2, 3]


def test_a_layer_of_several_outputs_is_a_wall():
    def block(x):
        left, right = Halves(name="halves")(x)
        both = layers.Concatenate(name="both")([right, left])
        return pool()(layers.Conv2D(4, 1, name="after")(both))

    net = model(block)
    assert reason(net).startswith("halves is a Halves")
    graph = Graph.from_model(net)
    found = find_dependencies(graph)
    (both,) = [node for node in graph.nodes if node.name == "both"]
    why = [found.groups.reasons[group] for group in found.of(both.output)]
    # The second output comes first in it.
    assert why[:4] == ["halves gives several tensors"] * 4
    assert why[4:] == ["halves is a Halves, which reads all channels"] * 4
    without(net, (1,), "after")


def test_a_tensor_without_channels_is_a_wall():
    net = model(lambda x: [layers.Reshape((1,), name="r")(Total(name="total")(x))])
    assert reason(net).startswith("total is a Total")


def test_a_shared_layer_that_cannot_lose_the_same_everywhere_is_kept():
    flat = layers.Reshape((-1, 8), name="shared")
    net = model(
        lambda x: layers.GlobalAveragePooling1D()(
            layers.Concatenate(axis=1)([flat(x), flat(layers.Permute((3, 1, 2))(x))])
        ),
        shape=(4, 4, 3),
    )
    groups = groups_of(net, "conv")[0]
    assert reason(net) or len(set(groups)) < 8


def test_calls_with_different_shapes_are_told():
    shared, wide = layers.Reshape((8, 8), name="shared"), layers.Conv2D(16, 1)

    def block(x):
        y = shared(wide(layers.MaxPooling2D((2, 1))(x)))
        both = layers.Concatenate(axis=1)([shared(x), y])
        return layers.GlobalAveragePooling1D()(both)

    net = model(block, shape=(2, 4, 3))
    assert reason(net) == "shared is called with different shapes"


def test_what_is_not_touched_stays_the_same_layer():
    net = model(lambda x: pool()(layers.Conv2D(4, 1, name="after")(x)))
    graph = Graph.from_model(net)
    found = find_dependencies(graph)
    keep = np.ones(len(found.groups), bool)
    smaller = removed(net, keep)
    image = np.random.default_rng(0).random((2, 6, 6, 3), np.float32)
    np.testing.assert_array_equal(outputs(smaller, [image]), outputs(net, [image]))
    assert [x.get_config() for x in smaller.layers] == [
        x.get_config() for x in net.layers
    ]
