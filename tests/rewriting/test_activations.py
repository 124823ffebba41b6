import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.layers.hard_swish import HardSigmoid
from tfcompress.rewriting.activations import (
    activation_name,
    expand_activations,
    split_activations,
)

layers = keras.layers


def built(*stack, shape=(6, 6, 4)):
    image = keras.Input(shape, name="image")
    x = image
    for layer in stack:
        x = layer(x)
    return keras.Model(image, x)


def stack_of(model):
    return [(type(layer).__name__, layer.name) for layer in model.layers[1:]]


LAYERS = [
    (layers.Conv1D(3, 2, activation="relu", name="x"), (6, 4)),
    (layers.Conv2D(3, 2, activation="relu", name="x"), (6, 6, 4)),
    (layers.Conv3D(3, 2, activation="relu", name="x"), (3, 3, 3, 2)),
    (layers.Conv2DTranspose(3, 2, activation="relu", name="x"), (6, 6, 4)),
    (layers.DepthwiseConv1D(2, activation="relu", name="x"), (6, 4)),
    (layers.DepthwiseConv2D(2, activation="relu", name="x"), (6, 6, 4)),
    (GroupedConv2D(4, 2, groups=2, activation="relu", name="x"), (6, 6, 4)),
    (layers.Dense(3, use_bias=False, activation="relu", name="x"), (4,)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda x: type(x).__name__)
def test_an_activation_becomes_a_layer(rewritten, layer, shape):
    model, changes = rewritten(built(layer, shape=shape), split_activations)
    kind = type(layer).__name__
    assert stack_of(model) == [(kind, "x"), ("Activation", "x_activation")]
    assert changes == [("x", "split: its activation became the layer x_activation")]
    assert type(model.layers[1]) is type(layer)


def test_identity_goes(rewritten):
    stack = layers.Conv2D(3, 1), layers.Identity(name="none"), layers.ReLU(name="relu")
    model, changes = rewritten(built(*stack), expand_activations)
    assert [kind for kind, _ in stack_of(model)] == ["Conv2D", "ReLU"]
    assert changes == [("none", "removed: it does nothing")]


def test_an_activation_that_is_a_layer_takes_its_weights_along(rewritten):
    prelu = layers.PReLU(shared_axes=[1, 2], name="own")
    conv = layers.Conv2D(3, 1, activation=prelu, name="conv")
    model, _ = rewritten(built(conv), split_activations)
    assert stack_of(model) == [("Conv2D", "conv"), ("PReLU", "conv_activation")]
    assert [weight.shape for weight in model.get_layer("conv_activation").weights] == [
        (1, 1, 3)
    ]


def test_a_shared_layer_gets_one_activation_for_all_calls(rewritten):
    dense = layers.Dense(4, activation="tanh", name="dense")
    model, changes = rewritten(built(dense, dense, shape=(4,)), split_activations)
    assert stack_of(model) == [("Dense", "dense"), ("Activation", "dense_activation")]
    assert len(changes) == 1


def test_a_layer_without_activation_and_a_layer_of_others_stay(rewritten):
    class Other(layers.Dense):
        pass

    model = built(layers.Dense(3), Other(3, activation="relu"), shape=(4,))
    assert rewritten(model, split_activations)[1] == []


@pytest.mark.parametrize(
    ("layer", "stack"),
    [
        (layers.Activation("relu", name="x"), [("ReLU", "x")]),
        (layers.Activation(tf.nn.relu, name="x"), [("ReLU", "x")]),
        (layers.Activation("relu6", name="x"), [("ReLU", "x")]),
        (layers.Activation("leaky_relu", name="x"), [("LeakyReLU", "x")]),
        (layers.ReLU(negative_slope=0.3, name="x"), [("LeakyReLU", "x")]),
        (layers.Activation("linear", name="x"), []),
        (
            layers.Activation("swish", name="x"),
            [("Activation", "x_sigmoid"), ("Multiply", "x")],
        ),
        (
            layers.Activation(tf.nn.silu, name="x"),
            [("Activation", "x_sigmoid"), ("Multiply", "x")],
        ),
        (
            layers.Activation("hard_sigmoid", name="x"),
            [("Rescaling", "x_shift"), ("ReLU", "x_relu6"), ("Rescaling", "x")],
        ),
        (
            HardSigmoid(name="x"),
            [("Rescaling", "x_shift"), ("ReLU", "x_relu6"), ("Rescaling", "x")],
        ),
        (
            layers.ReLU(1.5, name="x"),
            [("Rescaling", "x_shrink"), ("ReLU", "x_relu6"), ("Rescaling", "x")],
        ),
    ],
)
def test_activations_become_layers_that_quantize(rewritten, layer, stack):
    conv = layers.Conv2D(8, 1, name="conv")
    model, changes = rewritten(built(conv, layer), expand_activations)
    assert stack_of(model) == [("Conv2D", "conv"), *stack]
    assert [change.layer for change in changes] == ["x"]


@pytest.mark.parametrize(
    "layer",
    [
        layers.ReLU(),
        layers.ReLU(6.0),
        layers.ReLU(threshold=0.5),
        layers.ReLU(3.0, negative_slope=0.1),
        layers.LeakyReLU(0.1),
        layers.Activation("sigmoid"),
        layers.Activation("softmax"),
        layers.Activation("gelu"),
    ],
)
def test_other_activations_stay(rewritten, layer):
    assert rewritten(built(layer), expand_activations)[1] == []


def test_a_layer_used_as_a_function_becomes_the_layer(rewritten):
    slope = layers.Activation(layers.LeakyReLU(0.3), name="slope")
    prelu = layers.Activation(layers.PReLU(), name="prelu")
    bound = layers.Activation(layers.ReLU(2.0), name="bound")
    model, _ = rewritten(built(slope, prelu, bound), expand_activations)
    assert stack_of(model)[:2] == [("LeakyReLU", "slope"), ("PReLU", "prelu")]
    assert [kind for kind, _ in stack_of(model)[2:]] == [
        "Rescaling",
        "ReLU",
        "Rescaling",
    ]


def test_a_foreign_function_of_a_known_name_stays():
    def relu(x):
        return x + 1

    assert activation_name(relu) == ""
    assert activation_name(keras.activations.relu) == "relu"


def test_a_shared_activation_is_expanded_for_each_call(rewritten):
    swish = layers.Activation("swish", name="swish")
    model, changes = rewritten(built(swish, swish), expand_activations)
    assert [kind for kind, _ in stack_of(model)] == ["Activation", "Multiply"] * 2
    assert len({name for _, name in stack_of(model)}) == 4
    assert [change.layer for change in changes] == ["swish", "swish"]


def test_a_name_that_is_taken_is_not_taken_again(rewritten):
    model = built(
        layers.ReLU(name="x_sigmoid"),
        layers.Conv2D(4, 1, activation="swish", name="x"),
        layers.Conv2D(4, 1, name="x_activation"),
    )
    result, _ = rewritten(model, split_activations, expand_activations)
    assert [name for _, name in stack_of(result)] == [
        "x_sigmoid", "x", "x_activation_2_sigmoid", "x_activation_2", "x_activation",
    ]  # fmt: skip
