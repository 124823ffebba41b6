import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tfcompress as tfc
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.residual_blocks import find_residual_blocks, take_out

layers = keras.layers


def names(model):
    return [block.name for block in find_residual_blocks(Graph.from_model(model))]


def without(model, name):
    graph = Graph.from_model(model)
    (block,) = [b for b in find_residual_blocks(graph) if b.name == name]
    take_out(graph, block)
    return graph.to_model()


@pytest.mark.parametrize(
    ("network", "shape", "number"),
    [
        # Three stages of three; the first block of the second and third projects.
        (tfc.models.resnet20, (32, 32, 3), 3 + 2 + 2),
        # Repeats of 2, 3, 4, 3 and 3 blocks, the first of each without a skip.
        (tfc.models.mobilenet_v2, (64, 64, 3), 1 + 2 + 3 + 2 + 2),
        (tfc.models.mobilenet_v1, (32, 32, 3), 0),
    ],
)
def test_blocks_of_known_networks_are_found(network, shape, number):
    assert len(names(network(shape, 10, alpha=0.5))) == number


def test_block_without_its_branch_computes_what_a_branch_of_zeros_does():
    keras.utils.set_random_seed(1)
    model = tfc.models.resnet20((16, 16, 3), 4, alpha=0.5)
    images = tf.random.stateless_uniform([3, 16, 16, 3], [1, 2])
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.beta.assign(tf.random.stateless_normal(layer.beta.shape, [3, 4]))
    found = names(model)
    for name in (found[0], found[-1]):
        zeroed = keras.models.clone_model(model)
        zeroed.set_weights(model.get_weights())
        last = zeroed.get_layer(name.replace("_add", "_b_norm"))
        last.gamma.assign(0 * last.gamma)
        last.beta.assign(0 * last.beta)
        smaller = without(model, name)
        assert np.ptp(model(images) - zeroed(images)) > 1e-3
        np.testing.assert_allclose(smaller(images), zeroed(images), atol=1e-6)
        # Two convolutions with a bias, two BatchNorms.
        channels = last.gamma.shape[0]
        gone = 2 * (9 * channels**2 + channels + 4 * channels)
        assert smaller.count_params() == model.count_params() - gone


def nested():
    image = keras.Input((4, 4, 2), name="image")
    x = layers.Conv2D(2, 1, name="stem")(image)
    y = layers.Conv2D(2, 1, name="outer_a")(x)
    z = layers.Conv2D(2, 1, name="inner")(y)
    y = layers.Add(name="inner_add")([z, y])
    y = layers.Conv2D(2, 1, name="outer_b")(y)
    x = layers.Add(name="outer_add")([x, y])
    return keras.Model(image, layers.Conv2D(2, 1, name="end")(x))


def test_block_within_a_block_is_found_and_goes_with_it():
    model = nested()
    inner, outer = find_residual_blocks(Graph.from_model(model))
    assert inner.layers == {"inner", "inner_add"}
    assert outer.layers == {
        *("outer_a", "inner", "inner_add", "outer_b", "outer_add"),
    }
    assert [layer.name for layer in without(model, "outer_add").layers] == [
        *("image", "stem", "end")
    ]
    assert names(without(model, "inner_add")) == ["outer_add"]


def test_what_something_else_needs_stays():
    image = keras.Input((4, 4, 2), name="image")
    x = layers.Conv2D(2, 1, name="stem")(image)
    y = layers.Conv2D(2, 1, name="branch")(x)
    x = layers.Add(name="add")([x, y])
    model = keras.Model(image, layers.Concatenate(name="both")([x, y]))
    (block,) = find_residual_blocks(Graph.from_model(model))
    assert block.layers == {"add"}
    assert model.count_params() == without(model, "add").count_params()


def add_of_two_branches(x):
    return layers.Add()([layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(x)])


def add_of_itself(x):
    return layers.Add()([x, x])


def add_that_broadcasts(x):
    return layers.Add()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])


def product(x):
    return layers.Multiply()([x, layers.Conv2D(2, 1)(x)])


def add_of_three(x):
    return layers.Add()([x, layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(x)])


def shared_add(x):
    add = layers.Add()
    for _ in range(2):
        x = add([x, layers.Conv2D(2, 1)(x)])
    return x


@pytest.mark.parametrize(
    "make",
    [
        *(add_of_two_branches, add_of_itself, add_that_broadcasts),
        *(product, add_of_three, shared_add),
    ],
)
def test_what_is_no_residual_block_is_not_taken_for_one(make):
    image = keras.Input((4, 4, 2))
    x = layers.Conv2D(2, 1)(image)
    assert names(keras.Model(image, make(x))) == []
