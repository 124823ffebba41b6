import numpy as np
import pytest
from channels.nets import groups_of, layers, model, reason, shapes, without
from tf_keras.src.applications.convnext import LayerScale, StochasticDepth

from tfcompress.channels.elementwise import MERGES, POINTWISE
from tfcompress.layers.divide import Divide

pool = layers.GlobalAveragePooling2D


@pytest.mark.parametrize("kind", POINTWISE, ids=lambda kind: kind.__name__)
def test_pointwise_layers_hand_on_their_channels(kind):
    arguments = {
        StochasticDepth: (0.1,),
        **dict.fromkeys((layers.RandomHeight, layers.RandomWidth), (0.1,)),
        **dict.fromkeys((layers.RandomRotation, layers.RandomContrast), (0.1,)),
        **dict.fromkeys((layers.RandomZoom, layers.RandomBrightness), (0.1,)),
        layers.RandomTranslation: (0.1, 0.1),
        layers.SpatialDropout2D: (0.1,),
        **dict.fromkeys((layers.Dropout, layers.AlphaDropout), (0.1,)),
        **dict.fromkeys((layers.GaussianDropout, layers.GaussianNoise), (0.1,)),
    }
    shape = (6, 6, 3)
    if kind in (layers.SpatialDropout1D, layers.SpatialDropout3D):
        pytest.skip("its input has other axes")
    layer = kind(*arguments.get(kind, ()), name="layer")
    net = model(lambda x: pool()(layer(x)), shape)
    first, second = groups_of(net, "conv", "layer")
    assert first == second
    assert shapes(without(net, (1, 5)), "end") == [(6, 2), (2,)]


def test_activations_but_a_softmax_over_the_channels():
    net = model(lambda x: pool()(layers.Activation("sigmoid", name="act")(x)))
    assert groups_of(net, "conv") == groups_of(net, "act")
    without(net, (0, 1))
    softmax = "computes a softmax over all channels"
    net = model(lambda x: pool()(layers.Activation("softmax", name="act")(x)))
    assert reason(net) == f"act {softmax}"
    net = model(lambda x: pool()(layers.Softmax(name="act")(x)))
    assert reason(net) == f"act {softmax}"
    net = model(lambda x: pool()(layers.Softmax(axis=(1, 3), name="act")(x)))
    assert reason(net) == f"act {softmax}"


def test_a_softmax_over_pixels_is_no_wall():
    without(model(lambda x: pool()(layers.Softmax(axis=(1, 2))(x))), (0, 4))
    turned = model(
        lambda x: layers.Flatten()(
            layers.Activation("softmax")(layers.Permute((3, 1, 2))(x))
        )
    )
    assert shapes(without(turned, (0, 4)), "end")[0] == (6 * 36, 2)


@pytest.mark.parametrize("kind", MERGES, ids=lambda kind: kind.__name__)
def test_what_is_merged_is_tied_place_by_place(kind):
    other = layers.Conv2D(8, 1, activation="sigmoid", name="other")
    net = model(lambda x: pool()(kind(name="merge")([x, other(x)])))
    first, second, merged = groups_of(net, "conv", "other", "merge")
    assert first == second == merged
    smaller = without(net, (2, 3, 4))
    assert shapes(smaller, "other") == [(1, 1, 5, 5), (5,)]
    assert shapes(smaller, "end") == [(5, 2), (2,)]


def test_a_residual_chain_is_one_group():
    def chain(x):
        for name in "ab":
            y = layers.Conv2D(8, 1, name=name)(layers.ReLU()(x))
            x = layers.Add()([x, y])
        return pool()(x)

    first, second, third = groups_of(model(chain), "conv", "a", "b")
    assert first == second == third


def test_a_tensor_of_one_channel_is_stretched_and_kept():
    gate = layers.Conv2D(1, 1, activation="sigmoid", name="gate")
    net = model(lambda x: pool()(layers.Multiply(name="times")([gate(x), x])))
    assert reason(net, "gate") == "times stretches a single channel"
    assert shapes(without(net, (0,)), "gate") == [(1, 1, 7, 1), (1,)]


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("with_reshape", [True, False])
@pytest.mark.parametrize("kernel", ["dense", "conv"])
def test_squeeze_and_excite_follows_the_trunk(keepdims, with_reshape, kernel):
    if kernel == "conv" and not (keepdims or with_reshape):
        pytest.skip("a convolution wants an image")

    def block(x):
        y = pool(keepdims=keepdims)(x)
        if with_reshape:
            y = layers.Reshape((1, 1, 8), name="reshape")(y)
        make = (
            layers.Dense
            if kernel == "dense"
            else lambda *a, **k: layers.Conv2D(a[0], 1, **k)
        )
        y = make(4, activation="relu", name="squeeze")(y)
        y = make(8, activation="sigmoid", name="excite")(y)
        return pool()(layers.Multiply(name="scale")([x, y]))

    net = model(block)
    first, gate, scaled = groups_of(net, "conv", "excite", "scale")
    assert first == gate == scaled
    smaller = without(net, (0, 7))
    assert shapes(smaller, "squeeze")[0][-2:] == (6, 4)
    assert shapes(smaller, "excite")[0][-2:] == (4, 6)
    assert shapes(without(net, (1, 2), "squeeze"), "excite")[0][-2:] == (2, 8)


def test_channels_on_different_axes_are_a_wall():
    net = model(
        lambda x: pool()(layers.Add(name="add")([x, layers.Permute((3, 1, 2))(x)])),
        shape=(8, 8, 3),
    )
    assert reason(net) == "add joins tensors that have their channels on different axes"


def test_batch_normalization_loses_all_four_vectors():
    net = model(lambda x: pool()(layers.BatchNormalization(name="norm")(x)))
    smaller = without(net, (0, 2))
    assert shapes(smaller, "norm") == [(6,)] * 4
    for ours, theirs in zip(
        smaller.get_layer("norm").get_weights(),
        net.get_layer("norm").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs[[1, 3, 4, 5, 6, 7]])
    bare = layers.BatchNormalization(center=False, scale=False, name="norm")
    assert shapes(without(model(lambda x: pool()(bare(x))), (0,)), "norm") == [(7,)] * 2


def test_batch_normalization_follows_the_axis_of_the_channels():
    def block(axis):
        norm = layers.BatchNormalization(axis=axis, name="norm")
        turned = layers.Permute((3, 1, 2))
        return lambda x: layers.Flatten()(norm(turned(x)))

    smaller = without(model(block(1)), (0, 2))
    assert shapes(smaller, "norm") == [(6,)] * 4
    assert reason(model(block(3))) == (
        "norm normalizes another axis than that of the channels"
    )


@pytest.mark.parametrize(
    ("axes", "before", "after"),
    [(None, (6, 6, 8), (6, 6, 5)), ((1, 2), (1, 1, 8), (1, 1, 5))],
)
def test_prelu_loses_slopes(axes, before, after):
    net = model(lambda x: pool()(layers.PReLU(shared_axes=axes, name="prelu")(x)))
    assert shapes(net, "prelu") == [before]
    assert shapes(without(net, (1, 2, 3)), "prelu") == [after]


@pytest.mark.parametrize("axes", [(3,), (1, 2, 3)])
def test_prelu_whose_slopes_channels_share_keeps_them(axes):
    net = model(lambda x: pool()(layers.PReLU(shared_axes=axes, name="prelu")(x)))
    assert shapes(without(net, (1, 2, 3)), "prelu") == shapes(net, "prelu")


@pytest.mark.parametrize(
    ("scale", "offset"),
    [([1.0, 2, 3, 4, 5, 6, 7, 8], 0.5), (0.5, [1.0, 2, 3, 4, 5, 6, 7, 8]), (2.0, 1.0)],
)
def test_rescaling_loses_its_factors(scale, offset):
    net = model(lambda x: pool()(layers.Rescaling(scale, offset, name="scale")(x)))
    layer = without(net, (0, 3)).get_layer("scale")
    kept = [2, 3, 5, 6, 7, 8]
    assert layer.scale == (kept if isinstance(scale, list) else scale)
    assert layer.offset == (kept if isinstance(offset, list) else offset)


def test_a_layer_that_makes_channels_of_one_is_a_wall():
    net = model(lambda x: pool()(LayerScale(0.5, 3, name="scale")(x)), channels=1)
    assert reason(net) == "scale stretches its input over more channels"


def test_layer_scale_loses_its_factors():
    net = model(lambda x: pool()(LayerScale(0.5, 8, name="scale")(x)))
    smaller = without(net, (0, 3))
    assert shapes(smaller, "scale") == [(6,)]
    assert smaller.get_layer("scale").projection_dim == 6


def test_a_channel_by_which_is_divided_can_go():
    under = layers.Conv2D(8, 1, activation="sigmoid")
    net = model(lambda x: pool()(Divide()([x, under(x)])))
    assert shapes(without(net, (3,)), "end") == [(7, 2), (2,)]
