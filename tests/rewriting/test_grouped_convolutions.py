import pytest
import tf_keras as keras

from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.rewriting.grouped_convolutions import replace_grouped_convolutions

layers = keras.layers


def test_a_convolution_with_groups_becomes_ours(rewritten):
    image = keras.Input((6, 6, 4), name="image")
    x = layers.Conv2D(8, 3, groups=2, activation="relu", name="grouped")(image)
    model = keras.Model(image, layers.Conv2D(3, 1, name="plain")(x))
    result, changes = rewritten(model, replace_grouped_convolutions)
    assert type(result.get_layer("grouped")) is GroupedConv2D
    assert type(result.get_layer("plain")) is layers.Conv2D
    assert changes == [("grouped", "rewritten to GroupedConv2D")]


@pytest.mark.parametrize("filters", [4, 12])
def test_a_group_for_each_channel_is_a_depthwise_convolution(rewritten, filters):
    image = keras.Input((6, 6, 4), name="image")
    conv = layers.Conv2D(
        filters,
        3,
        padding="same",
        groups=4,
        activation="relu",
        kernel_regularizer="l2",
        name="conv",
    )
    model = keras.Model(image, conv(image))
    result, changes = rewritten(model, replace_grouped_convolutions)
    assert changes == [("conv", "rewritten to DepthwiseConv2D")]
    depthwise = result.get_layer("conv")
    assert depthwise.depth_multiplier == filters // 4
    assert type(depthwise.depthwise_regularizer) is type(conv.kernel_regularizer)


def test_unequal_strides_leave_it_grouped(rewritten):
    image = keras.Input((6, 6, 4), name="image")
    model = keras.Model(image, layers.Conv2D(4, 3, (1, 2), groups=4, name="x")(image))
    changes = rewritten(model, replace_grouped_convolutions)[1]
    assert changes == [("x", "rewritten to GroupedConv2D")]
