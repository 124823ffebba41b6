import numpy as np
import pytest
import tf_keras as keras
from channels.nets import groups_of, layers, model, reason, shapes, without

from tfcompress.channels.layout import SPATIAL
from tfcompress.layers.channel_shuffle import ChannelShuffle
from tfcompress.layers.depth_to_space import DepthToSpace, SpaceToDepth
from tfcompress.layers.slice import Slice

pool = layers.GlobalAveragePooling2D
ALL = [None, None, None]


@pytest.mark.parametrize(
    "kind",
    [kind for kind in SPATIAL if not kind.__name__.endswith("3D")],
    ids=lambda kind: kind.__name__,
)
def test_layers_that_move_pixels_hand_on_their_channels(kind):
    is_flat = kind is layers.RepeatVector
    arguments = {
        layers.RepeatVector: (3,),
        **dict.fromkeys(
            (layers.CenterCrop, layers.Resizing, layers.RandomCrop), (4, 4)
        ),
    }
    shape = (3,) if is_flat else (6, 3) if kind.__name__.endswith("1D") else (6, 6, 3)
    layer = kind(*arguments.get(kind, ()), name="layer")
    net = model(lambda x: layers.Flatten()(layer(x)), shape)
    first, second = groups_of(net, "conv", "layer")
    assert first == second
    pixels = np.prod(net.get_layer("layer").output_shape[1:-1], initial=1)
    assert shapes(without(net, (1, 5)), "end")[0] == (6 * pixels, 2)


def test_pooling_with_kept_sides():
    net = model(lambda x: layers.Flatten()(pool(keepdims=True)(x)))
    assert shapes(without(net, (0,)), "end")[0] == (7, 2)


def test_pooling_over_the_channels_is_a_wall():
    net = model(lambda x: pool(name="pool")(layers.Permute((3, 1, 2))(x)))
    assert reason(net) == "pool works on another axis than that of the channels"


def test_concatenation_puts_channels_behind_each_other():
    other = layers.Conv2D(4, 1, name="other")
    end = layers.Dense(2, name="dense")
    net = model(
        lambda x: pool()(end(layers.Concatenate(name="both")([x, other(x), x])))
    )
    first, second, both = groups_of(net, "conv", "other", "both")
    assert both == [*first, *second, *first]
    before = net.get_layer("dense").weights[0].numpy()
    smaller = without(net, (0, 6))
    # 8 + 4 + 8 inputs; 0 and 6 go from the first and, 12 further on, from the last.
    kept = [i for i in range(20) if i not in (0, 6, 12, 18)]
    np.testing.assert_array_equal(smaller.get_layer("dense").weights[0], before[kept])
    kept = [i for i in range(20) if i != 9]
    smaller = without(net, (1,), "other")
    np.testing.assert_array_equal(smaller.get_layer("dense").weights[0], before[kept])


@pytest.mark.parametrize("axis", [1, 2])
def test_concatenation_of_pixels_ties_channels(axis):
    other = layers.Conv2D(8, 1, name="other")
    net = model(lambda x: pool()(layers.Concatenate(axis, name="both")([x, other(x)])))
    first, second, both = groups_of(net, "conv", "other", "both")
    assert first == second == both
    assert shapes(without(net, (0, 1)), "other") == [(1, 1, 6, 6), (6,)]


def test_concatenation_of_channels_on_different_axes_is_a_wall():
    net = model(
        lambda x: pool()(
            layers.Concatenate(name="both")([x, layers.Permute((3, 1, 2))(x)])
        ),
        shape=(8, 8, 3),
    )
    assert reason(net).startswith("both joins tensors that have their channels on dif")


@pytest.mark.parametrize(
    ("part", "removed", "left"),
    [
        ([2, 6, 1], (0, 3, 7), [1, 4, 1]),
        ([2, 6, 1], (2, 3, 4), [2, 3, 1]),
        ([None, -2, None], (6, 0), [0, 5, 1]),
        ([-3, None, None], (5, 6), [5, 6, 1]),
    ],
)
def test_a_slice_keeps_what_is_left_in_its_range(part, removed, left):
    net = model(
        lambda x: layers.Concatenate()(
            [pool()(x), pool()(Slice([ALL, ALL, part], name="slice")(x))]
        )
    )
    first, second = groups_of(net, "conv", "slice")
    assert second == first[slice(*part)]
    smaller = without(net, removed)
    assert list(smaller.get_layer("slice").slices[2]) == left


def test_a_slice_of_pixels_stays():
    net = model(lambda x: pool()(Slice([[1, 5, 2]], name="slice")(x)))
    assert groups_of(net, "conv") == groups_of(net, "slice")
    assert without(net, (0,)).get_layer("slice").slices == ((1, 5, 2),)


def test_a_slice_with_steps_is_a_wall():
    net = model(lambda x: pool()(Slice([ALL, ALL, [0, None, 2]], name="slice")(x)))
    assert reason(net) == "slice takes channels at a distance from each other"


def test_split_and_shuffle_of_shufflenet_v2():
    def block(x):
        left = Slice([ALL, ALL, [0, 4, 1]], name="left")(x)
        right = Slice([ALL, ALL, [4, 8, 1]], name="right")(x)
        right = layers.Conv2D(4, 1, name="branch")(right)
        x = layers.Concatenate(name="both")([left, right])
        return pool()(ChannelShuffle(2, name="shuffle")(x))

    net = model(block)
    first, branch, shuffled = groups_of(net, "conv", "branch", "shuffle")
    # Place by place, the kept half and the branch stay together.
    assert branch == first[:4]
    assert shuffled == [group for group in branch for _ in range(2)]
    assert len(set(first)) == 8
    smaller = without(net, (0, 3, 5))
    assert shapes(smaller, "branch") == [(1, 1, 3, 2), (2,)]
    assert shapes(smaller, "end") == [(4, 2), (2,)]


def test_a_shuffle_loses_the_same_places_of_every_part():
    net = model(lambda x: pool()(ChannelShuffle(4, name="shuffle")(x)))
    first, shuffled = groups_of(net, "conv", "shuffle")
    assert first == [0 + first[0], 1 + first[0]] * 4
    assert shuffled == [first[0]] * 4 + [first[1]] * 4
    assert shapes(without(net, (1,)), "end")[0] == (4, 2)


@pytest.mark.parametrize("groups", [2, 4])
def test_a_shuffle_of_raw_operations_is_the_same(groups):
    def block(x):
        x = layers.Reshape((6, 6, groups, 8 // groups), name="apart")(x)
        x = layers.Permute((1, 2, 4, 3))(x)
        return pool()(layers.Reshape((6, 6, 8), name="together")(x))

    net = model(block)
    plain = model(lambda x: pool()(ChannelShuffle(groups, name="together")(x)))
    ours, theirs = (groups_of(one, "conv", "together") for one in (net, plain))
    assert ours == theirs
    smaller = without(net, (1,))
    left = 8 - groups
    assert smaller.get_layer("apart").target_shape == (6, 6, groups, left // groups)
    assert smaller.get_layer("together").target_shape == (6, 6, left)


def test_flatten_repeats_channels_at_every_pixel():
    net = model(lambda x: layers.Flatten(name="flat")(x), shape=(2, 3, 3))
    first, flat = groups_of(net, "conv", "flat")
    assert flat == first * 6
    before = net.get_layer("end").weights[0].numpy().reshape(6, 8, 2)
    smaller = without(net, (0, 5))
    expected = before[:, [1, 2, 3, 4, 6, 7]].reshape(36, 2)
    np.testing.assert_array_equal(smaller.get_layer("end").weights[0], expected)


def test_flatten_behind_a_permute():
    net = model(
        lambda x: layers.Flatten(name="flat")(layers.Permute((3, 1, 2))(x)), (2, 3, 3)
    )
    first, flat = groups_of(net, "conv", "flat")
    assert flat == [group for group in first for _ in range(6)]
    without(net, (0, 5))


def test_flatten_that_turns_its_input_is_a_wall():
    flat = layers.Flatten(data_format="channels_first", name="flat")
    assert reason(model(flat)) == "flat turns the axes as well"


def test_reshape_of_pixels_and_of_odd_shapes():
    net = model(lambda x: layers.Flatten()(layers.Reshape((36, -1), name="r")(x)))
    assert groups_of(net, "conv") == groups_of(net, "r")
    smaller = without(net, (0,))
    assert smaller.get_layer("r").target_shape == (36, -1)
    # (2, 6) to (3, 4): odd and even channels are what rows and columns have in common.
    odd = model(
        lambda x: layers.Flatten()(layers.Reshape((3, 4), name="r")(x)), (2, 3), 6
    )
    first, second = groups_of(odd, "conv", "r")
    assert first == [first[0], first[1]] * 3
    assert second == [first[0], first[1]] * 2
    assert without(odd, (0,)).get_layer("r").target_shape == (3, 2)


@pytest.mark.parametrize(
    ("target", "why"), [((-1, 8), ""), ((-1, 4), "r reshapes sizes that are open")]
)
def test_reshape_of_open_sizes(target, why):
    image = layers.Input((None, None, 3))
    x = layers.Reshape(target, name="r")(layers.Conv2D(8, 1, name="conv")(image))
    net = keras.Model(
        image, layers.Dense(2, name="end")(layers.GlobalAveragePooling1D()(x))
    )
    assert reason(net) == why


def test_depth_to_space_keeps_squares_together():
    net = model(lambda x: pool()(DepthToSpace(2, name="d2s")(x)))
    first, second = groups_of(net, "conv", "d2s")
    assert first == second * 4
    assert len(set(second)) == 2
    assert shapes(without(net, (0,)), "end")[0] == (1, 2)


def test_space_to_depth_repeats_channels():
    net = model(lambda x: pool()(SpaceToDepth(2, name="s2d")(x)))
    first, second = groups_of(net, "conv", "s2d")
    assert second == first * 4
    assert shapes(without(net, (0, 4)), "end")[0] == (24, 2)


@pytest.mark.parametrize("kind", [ChannelShuffle, DepthToSpace, SpaceToDepth])
def test_what_works_on_the_last_axis_wants_the_channels_there(kind):
    net = model(
        lambda x: layers.Flatten()(kind(2, name="move")(layers.Permute((3, 1, 2))(x))),
        shape=(8, 8, 3),
    )
    assert reason(net) == "move works on another axis than that of the channels"
