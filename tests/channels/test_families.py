import numpy as np
import pytest
from channels.nets import layers, model, without

from tfcompress.channels.coupling import Groups
from tfcompress.channels.families import Limits, find_families, find_units
from tfcompress.channels.removal import Removable
from tfcompress.layers.channel_shuffle import ChannelShuffle
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.layers.slice import Slice

pool = layers.GlobalAveragePooling2D
ALL = [None, None, None]


def names(net):
    return [family.layers for family in Removable(net).families]


def units(net, scores=None, **limits):
    """Returns the units of a model, with scores that rise unless they are given."""
    removable = Removable(net)
    groups = removable.dependencies.groups
    scores = np.arange(len(groups), dtype=float) if scores is None else scores
    options = {"round_to": 1, "min_channels": 1, "max_removed": 0.99} | limits
    return find_units(removable.families, groups, scores, Limits(**options))


def test_a_family_is_what_the_same_layers_make_and_take():
    def block(x):
        y = layers.Conv2D(8, 1, name="residual")(layers.ReLU()(x))
        x = layers.DepthwiseConv2D(3, name="depthwise")(layers.Add()([x, y]))
        return pool()(layers.Conv2D(4, 1, name="project")(x))

    net = model(block)
    # The last layer is an output and in no family.
    assert names(net) == [("conv", "residual", "depthwise"), ("project",)]
    family, _ = Removable(net).families
    assert family.widths.tolist() == [[1] * 8] * 3


def test_halves_that_different_layers_take_are_two_families():
    def block(x):
        a = layers.Conv2D(4, 1, name="a")(Slice([ALL, ALL, [0, 3, 1]])(x))
        b = layers.Conv2D(4, 1, name="b")(Slice([ALL, ALL, [3, 8, 1]])(x))
        return pool()(layers.Concatenate()([a, b]))

    sizes = [len(family.groups) for family in Removable(model(block)).families]
    assert sizes == [3, 5, 4, 4]


def test_widths_are_those_of_each_layer():
    net = model(
        lambda x: pool()(layers.DepthwiseConv2D(1, depth_multiplier=2, name="dw")(x))
    )
    (family,) = Removable(net).families
    assert family.layers == ("conv", "dw")
    assert family.widths.tolist() == [[1] * 8, [2] * 8]


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        # 8 channels; the least important go first.
        ({"round_to": 1, "min_channels": 5}, [1, 1, 1]),
        ({"round_to": 2, "min_channels": 1}, [2, 2, 2]),
        ({"round_to": 3, "min_channels": 1}, [2, 3]),
        ({"round_to": 4, "min_channels": 4}, [4]),
        ({"round_to": 8, "min_channels": 1}, []),
        ({"max_removed": 0.5}, [1, 1, 1, 1]),
        ({"min_channels": 9}, []),
        ({"max_removed": 0.75, "whole": {"conv": 16}}, [1, 1, 1, 1]),
    ],
)
def test_limits_hold(limits, sizes):
    found = units(model(lambda x: pool()(x)), **limits)
    assert [len(unit.groups) for unit in found] == sizes
    gone = np.cumsum(sizes)
    assert [unit.share for unit in found] == [count / 8 for count in gone]


def test_the_least_important_goes_first_and_scores_never_fall():
    net = model(lambda x: pool()(x))
    groups = Removable(net).families[0].groups
    scores = np.zeros(groups.max() + 3)
    scores[groups] = [5, 1, 4, 2, 8, 7, 3, 6]
    found = units(net, scores, round_to=3)
    # Two go to reach a multiple of 3, then three more.
    assert [unit.groups.tolist() for unit in found] == [
        groups[[1, 3]].tolist(),
        groups[[6, 2, 0]].tolist(),
    ]
    assert [unit.score for unit in found] == [1.5, 4.0]


def test_one_channel_of_every_slice_is_kept():
    def block(x):
        first = Slice([ALL, ALL, [0, 2, 1]], name="first")(x)
        second = Slice([ALL, ALL, [2, None, 1]])(x)
        return pool()(layers.Concatenate()([second, layers.ReLU()(first)]))

    net = model(block)
    # The last of each slice stays, however little it matters.
    found = units(net)
    gone = np.concatenate([unit.groups for unit in found])
    groups = Removable(net).families[0].groups
    assert gone.tolist() == groups[[0, *range(2, 7)]].tolist()
    places = [groups.tolist().index(group) for group in gone]
    without(net, places)


def shuffle_net(x):
    x = layers.ReLU()(GroupedConv2D(36, 1, groups=3, name="a")(x))
    x = layers.DepthwiseConv2D(3, name="dw")(ChannelShuffle(3)(x))
    return pool()(GroupedConv2D(6, 1, groups=3, name="b")(x))


def test_every_unit_leaves_equal_parts():
    net = model(shuffle_net, channels=12)
    removable = Removable(net)
    scores = np.random.default_rng(3).random(len(removable.everything))
    found = units(net, scores)
    for balance in removable.dependencies.groups.balances:
        for unit in found:
            gone = np.isin(balance, unit.groups).sum(1)
            assert len(set(gone.tolist())) == 1
    # One channel of each part stays, and of "a", whose channels a shuffle deals out to
    # the parts of "b" by fours, one of each third, in each part.
    keep = removable.everything
    for unit in found:
        keep[unit.groups] = False
    widths = {"conv": (12, 3), "a": (36, 9), "dw": (36, 9), "b": (6, 3), "end": (2, 2)}
    assert removable.widths(keep) == widths


@pytest.mark.parametrize("least", ["a", "b", "conv"])
def test_no_layer_of_a_balanced_family_is_emptied(least):
    """Whatever matters least, every layer keeps its smallest number of channels."""

    def block(x):
        y = GroupedConv2D(8, 1, groups=2, name="a")(x)
        z = GroupedConv2D(8, 1, groups=2, name="b")(x)
        both = layers.Concatenate()([y, z])
        return pool()(GroupedConv2D(4, 1, groups=2, name="c")(both))

    net = model(block)
    removable = Removable(net)
    scores = np.ones(len(removable.everything))
    for kernel in removable.cost.kernels:
        if kernel.name == least:
            scores[kernel.outputs] = 0
    keep = removable.everything
    for unit in units(net, scores, min_channels=4):
        keep[unit.groups] = False
    widths = removable.widths(keep)
    assert all(after >= 4 for name, (_, after) in widths.items() if name != "end")
    assert widths[least][1] < widths[least][0]


def test_what_nothing_evens_out_stays_and_the_rest_goes():
    # A part of frozen channels (group 0): nothing can go from the other.
    frozen = Groups(np.arange(4), ["no", "no", "", ""], [np.array([[0, 1], [2, 3]])])
    cost = type("Cost", (), {"kernels": []})()
    assert find_families(frozen, cost) == []
    kernel = type("K", (), {"name": "k", "inputs": np.array([], int)})()
    kernel.outputs = np.arange(4)
    cost.kernels = [kernel]
    (family,) = find_families(frozen, cost)
    assert find_units([family], frozen, np.arange(4.0), Limits(1, 1)) == []


def test_a_convolution_of_as_many_groups_as_channels_keeps_them():
    net = model(lambda x: pool()(GroupedConv2D(8, 3, groups=8, name="g")(x)))
    assert units(net) == []
