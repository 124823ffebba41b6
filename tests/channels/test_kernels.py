import numpy as np
import pytest
import tf_keras as keras
from channels.nets import groups_of, layers, model, reason, shapes, without

from tfcompress.layers.grouped_convolution import GroupedConv2D

pool = layers.GlobalAveragePooling2D


@pytest.mark.parametrize(
    ("layer", "shape", "before", "after"),
    [
        # 8 channels in, of which 3 go; 5 stay.
        (layers.Conv2D(4, 3), (6, 6, 3), (3, 3, 8, 4), (3, 3, 5, 4)),
        (layers.Conv1D(4, 3), (6, 3), (3, 8, 4), (3, 5, 4)),
        (layers.Conv2DTranspose(4, 3), (6, 6, 3), (3, 3, 4, 8), (3, 3, 4, 5)),
        (layers.Conv1DTranspose(4, 3), (6, 3), (3, 4, 8), (3, 4, 5)),
        (layers.Dense(4), (6, 6, 3), (8, 4), (5, 4)),
        (layers.Dense(4), (3,), (8, 4), (5, 4)),
    ],
)
def test_a_kernel_loses_inputs_and_its_outputs_are_its_own(layer, shape, before, after):
    ends = {1: layers.Identity, 2: layers.GlobalAveragePooling1D, 3: pool}
    layer = layer.from_config(layer.get_config() | {"name": "next"})
    net = model(lambda x: ends[len(shape)]()(layer(x)), shape)
    first, second = groups_of(net, "conv", "next")
    assert len({*first, *second}) == 8 + 4
    assert shapes(net, "next") == [before, (4,)]
    assert shapes(without(net, (0, 3, 6)), "next") == [after, (4,)]
    smaller = without(net, (1,), "next")
    assert smaller.get_layer("next").weights[1].shape == (3,)
    assert shapes(smaller, "end")[0] == (3, 2)


def test_a_3d_convolution():
    image = layers.Input((3, 3, 3, 2))
    x = layers.Conv3D(4, 1, name="conv")(image)
    x = layers.MaxPooling3D(3)(layers.Conv3DTranspose(3, 1, name="next")(x))
    net = keras.Model(image, layers.Conv3D(2, 1, name="end")(x))
    assert shapes(without(net, (0,)), "next") == [(1, 1, 1, 3, 3), (3,)]
    assert shapes(without(net, (2,), "next"), "end") == [(1, 1, 1, 2, 2), (2,)]


def test_depthwise_hands_on_its_channels():
    net = model(lambda x: pool()(layers.DepthwiseConv2D(3, name="depthwise")(x)))
    first, second = groups_of(net, "conv", "depthwise")
    assert first == second
    smaller = without(net, (0, 7))
    assert shapes(smaller, "depthwise") == [(3, 3, 6, 1), (6,)]
    theirs = net.get_layer("depthwise").weights[0].numpy()[:, :, 1:7]
    np.testing.assert_array_equal(smaller.get_layer("depthwise").weights[0], theirs)


def test_depth_multiplier_makes_neighbours_of_a_channel():
    net = model(
        lambda x: pool()(layers.DepthwiseConv2D(3, depth_multiplier=2, name="dw")(x)),
        channels=3,
    )
    first, second = groups_of(net, "conv", "dw")
    assert second == [g for g in first for _ in range(2)]
    smaller = without(net, (1,))
    assert shapes(smaller, "dw") == [(3, 3, 2, 2), (4,)]
    assert shapes(smaller, "end") == [(4, 2), (2,)]


def test_depthwise_along_one_axis():
    net = model(
        lambda x: layers.GlobalAveragePooling1D()(
            layers.DepthwiseConv1D(3, depth_multiplier=2, name="dw")(x)
        ),
        (6, 3),
    )
    assert shapes(without(net, (0,)), "dw") == [(3, 7, 2), (14,)]


@pytest.mark.parametrize("kind", [layers.Conv2D, GroupedConv2D])
def test_parts_of_a_grouped_convolution_lose_different_channels(kind):
    net = model(lambda x: pool()(kind(6, 1, groups=2, name="grouped")(x)))
    before = net.get_layer("grouped").weights[0].numpy()
    # Channel 1 of the first part and channels 4 + 2 of the second.
    smaller = without(net, (1, 6))
    assert shapes(smaller, "grouped") == [(1, 1, 3, 6), (6,)]
    after = smaller.get_layer("grouped").weights[0].numpy()
    np.testing.assert_array_equal(after[..., :3], before[:, :, [0, 2, 3], :3])
    np.testing.assert_array_equal(after[..., 3:], before[:, :, [0, 1, 3], 3:])


def test_outputs_of_a_grouped_convolution_go_from_each_part():
    net = model(lambda x: pool()(GroupedConv2D(6, 1, groups=2, name="grouped")(x)))
    smaller = without(net, (0, 5), "grouped")
    assert shapes(smaller, "grouped") == [(1, 1, 4, 4), (4,)]
    expected = net.get_layer("grouped").weights[0].numpy()[..., [1, 2, 3, 4]]
    np.testing.assert_array_equal(smaller.get_layer("grouped").weights[0], expected)


def test_a_softmax_keeps_its_channels_but_not_the_inputs():
    softmax = layers.Conv2D(4, 1, activation="softmax", name="m")
    net = model(lambda x: pool()(softmax(x)))
    assert reason(net, "m") == "m computes a softmax over all channels"
    assert reason(net, "conv") == ""
    assert shapes(without(net, (2,)), "m") == [(1, 1, 7, 4), (4,)]


def test_a_depthwise_one_keeps_its_inputs_too():
    net = model(
        lambda x: pool()(layers.DepthwiseConv2D(1, activation="softmax", name="dw")(x))
    )
    assert reason(net) == "dw computes a softmax over all channels"


def relu(x):
    """Something else of that name."""
    return x[..., ::-1]


def test_a_function_of_a_known_name_is_not_known():
    net = model(lambda x: pool()(layers.Activation(relu, name="act")(x)))
    assert reason(net) == "act has the activation relu, which may read all channels"


@pytest.mark.parametrize(
    "activation",
    [
        "relu6",
        "swish",
        "gelu",
        "hard_sigmoid",
        layers.LeakyReLU(),
        keras.activations.mish,
    ],
)
def test_known_activations_are_no_walls(activation):
    net = model(
        lambda x: pool()(layers.Conv2D(4, 1, activation=activation, name="m")(x))
    )
    assert reason(net, "m") == ""
    without(net, (2,), "m")


def test_a_shared_convolution_loses_the_same_in_both_calls():
    shared = layers.Conv2D(8, 1, name="shared")
    net = model(lambda x: pool()(shared(layers.ReLU()(shared(x)))))
    first, second = groups_of(net, "conv", "shared")
    assert first == second
    assert shapes(without(net, (0, 1)), "shared") == [(1, 1, 6, 6), (6,)]


def test_a_dense_layer_over_another_axis_is_a_wall():
    net = model(
        lambda x: pool()(layers.Dense(3, name="dense")(layers.Permute((3, 1, 2))(x)))
    )
    assert reason(net) == "dense works on another axis than that of the channels"
