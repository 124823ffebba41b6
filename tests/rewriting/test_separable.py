import pytest
import tf_keras as keras

from tfcompress.rewriting.separable import split_separable

layers = keras.layers


def kinds(model):
    return {layer.name: type(layer).__name__ for layer in model.layers}


@pytest.mark.parametrize(
    "settings",
    [
        {"strides": 2, "padding": "same"},
        {"depth_multiplier": 3, "activation": "relu"},
        {"dilation_rate": 2, "use_bias": False},
        {"depthwise_regularizer": "l2", "pointwise_constraint": "non_neg"},
    ],
)
def test_a_separable_convolution_becomes_two(rewritten, settings):
    image = keras.Input((8, 8, 4), name="image")
    conv = layers.SeparableConv2D(5, 3, name="conv", **settings)
    model, changes = rewritten(keras.Model(image, conv(image)), split_separable)
    assert kinds(model) == {
        "image": "InputLayer",
        "conv_depthwise": "DepthwiseConv2D",
        "conv": "Conv2D",
    }
    assert changes == [("conv", "split into DepthwiseConv2D and Conv2D")]
    depthwise, pointwise = model.layers[1:]
    assert pointwise.activation is conv.activation
    assert type(depthwise.depthwise_regularizer) is type(conv.depthwise_regularizer)
    assert type(pointwise.kernel_constraint) is type(conv.pointwise_constraint)


def test_one_of_sequences_too(rewritten):
    sound = keras.Input((9, 3), name="sound")
    conv = layers.SeparableConv1D(4, 3, padding="same", name="conv")
    model, _ = rewritten(keras.Model(sound, conv(sound)), split_separable)
    assert kinds(model)["conv_depthwise"] == "DepthwiseConv1D"
    assert kinds(model)["conv"] == "Conv1D"


def test_a_shared_one_stays_shared(rewritten):
    image = keras.Input((6, 6, 4), name="image")
    conv = layers.SeparableConv2D(4, 3, padding="same", name="conv")
    model = keras.Model(image, conv(layers.ReLU()(conv(image))))
    result, changes = rewritten(model, split_separable)
    assert len(result.weights) == len(model.weights) == 3
    assert len(changes) == 1
