import pytest
import tf_keras as keras

from tfcompress.rewriting.conv1d import conv1d_to_conv2d

layers = keras.layers


def built(*stack, shape=(9, 4)):
    sound = keras.Input(shape, name="sound")
    x = sound
    for layer in stack:
        x = layer(x)
    return keras.Model(sound, x)


def stack_of(model):
    return [type(layer).__name__ for layer in model.layers[1:]]


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"strides": 2, "padding": "same"}, "Conv2D"),
        ({"dilation_rate": 2, "use_bias": False}, "Conv2D"),
        ({"groups": 2}, "GroupedConv2D"),
    ],
)
@pytest.mark.parametrize("length", [9, None])
def test_a_convolution_gets_a_second_axis(rewritten, settings, kind, length):
    conv = layers.Conv1D(6, 3, name="conv", **settings)
    model, changes = rewritten(built(conv, shape=(length, 4)), conv1d_to_conv2d)
    assert stack_of(model) == ["Reshape", kind, "Reshape"]
    assert changes == [("conv", f"rewritten to {kind} between Reshapes")]
    assert model.get_layer("conv").kernel_size == (3, 1)


@pytest.mark.parametrize(
    "settings", [{"strides": 2}, {"depth_multiplier": 2, "padding": "same"}]
)
def test_a_depthwise_convolution_too(rewritten, settings):
    conv = layers.DepthwiseConv1D(3, name="conv", **settings)
    model, _ = rewritten(built(conv), conv1d_to_conv2d)
    assert stack_of(model) == ["Reshape", "DepthwiseConv2D", "Reshape"]


@pytest.mark.parametrize(
    "settings", [{"strides": 2, "output_padding": 1}, {"padding": "same"}]
)
def test_a_transposed_convolution_too(rewritten, settings):
    conv = layers.Conv1DTranspose(5, 3, name="conv", **settings)
    model, _ = rewritten(built(conv), conv1d_to_conv2d)
    assert stack_of(model) == ["Reshape", "Conv2DTranspose", "Reshape"]


def test_what_looks_only_back_is_padded(rewritten):
    conv = layers.Conv1D(6, 3, padding="causal", dilation_rate=2, name="conv")
    model, _ = rewritten(built(conv), conv1d_to_conv2d)
    assert stack_of(model) == ["Reshape", "ZeroPadding2D", "Conv2D", "Reshape"]


def test_convolutions_in_a_row_stay_images(rewritten):
    stack = []
    for index in range(2):
        stack.append(layers.Conv1D(4, 3, name=f"conv_{index}"))
        stack.append(layers.BatchNormalization(axis=2, name=f"norm_{index}"))
        stack.append(layers.ReLU(name=f"relu_{index}"))
    model, _ = rewritten(built(*stack), conv1d_to_conv2d)
    block = ["Conv2D", "BatchNormalization", "ReLU"]
    assert stack_of(model) == ["Reshape", *block, *block, "Reshape"]


def test_a_sequence_that_something_else_takes_too_stays(rewritten):
    sound = keras.Input((9, 4), name="sound")
    x = layers.ReLU(name="relu")(layers.Conv1D(4, 3, padding="same")(sound))
    x = layers.Add()([layers.Conv1D(4, 3, padding="same")(x), x])
    model, _ = rewritten(keras.Model(sound, x), conv1d_to_conv2d)
    assert stack_of(model).count("Reshape") == 3


def test_a_shared_convolution_stays_shared(rewritten):
    conv = layers.Conv1D(4, 3, padding="same", name="conv")
    model, changes = rewritten(built(conv, layers.ReLU(), conv), conv1d_to_conv2d)
    assert stack_of(model) == ["Reshape", "Conv2D", "ReLU", "Reshape"]
    assert len(changes) == 1


def test_an_activation_has_to_be_split_off_first(rewritten):
    assert (
        rewritten(built(layers.Conv1D(4, 3, activation="relu")), conv1d_to_conv2d)[1]
        == []
    )
