import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import channel_blocks
from tfcompress.profiling.keras_model import profile_keras_model

C, SIDE = 12, 8


def built(block, *settings):
    """Returns a model of one block that is given 8x8 pixels of 12 channels."""
    x = keras.Input((SIDE, SIDE, C))
    return keras.Model(x, block(x, *settings))


def ghost(num_inputs, filters):
    """Parameters of a ghost module."""
    half = filters // 2
    return num_inputs * half + 9 * half + 8 * half


@pytest.mark.parametrize(
    ("block", "settings", "params", "macs"),
    [
        (
            channel_blocks.grouped_norm,
            (20, 4, "a"),
            C * 20 // 4 + 4 * 20,
            SIDE**2 * C * 20 // 4,
        ),
        (
            channel_blocks.grouped_norm,
            (20, 1, "a"),
            C * 20 + 4 * 20,
            SIDE**2 * C * 20,
        ),
        (
            channel_blocks.ghost_module,
            (20, "a"),
            ghost(C, 20),
            SIDE**2 * (C * 10 + 9 * 10),
        ),
        (
            channel_blocks.ghost_bottleneck,
            (channel_blocks.GhostBottleneck(24, C), 1, "a"),
            ghost(C, 24) + ghost(24, C),
            SIDE**2 * (C * 12 + 9 * 12 + 24 * 6 + 9 * 6),
        ),
        (
            channel_blocks.ghost_bottleneck,
            (channel_blocks.GhostBottleneck(24, 20, True, 5, 8), 2, "a"),
            ghost(C, 24)
            + (25 * 24 + 4 * 24)
            + (2 * 24 * 8 + 24 + 8)
            + ghost(24, 20)
            + (25 * C + 4 * C)
            + (C * 20 + 4 * 20),
            SIDE**2 * (C * 12 + 9 * 12)
            + 16 * (25 * 24 + 24 * 10 + 9 * 10 + 25 * C + C * 20)
            + 2 * 24 * 8,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_cost_is_what_the_docstring_says(block, settings, params, macs):
    totals = profile_keras_model(built(block, *settings)).totals
    assert (totals.params, totals.macs) == (params, macs)


@pytest.mark.parametrize(("filters", "groups"), [(20, 5), (18, 4)])
def test_groups_that_do_not_divide_are_refused(filters, groups):
    message = f"{groups} groups of layer 'a' do not divide .* 12 .* {filters} filters"
    with pytest.raises(InvalidArgumentError, match=message):
        built(channel_blocks.grouped_norm, filters, groups, "a")


def test_split_gives_both_halves():
    x = np.random.default_rng(0).normal(size=(2, SIDE, SIDE, C)).astype(np.float32)
    first, second = built(channel_blocks.channel_split, "a")(x)
    np.testing.assert_array_equal(first, x[..., :6])
    np.testing.assert_array_equal(second, x[..., 6:])


def test_a_bottleneck_that_lost_its_stride_keeps_its_weights():
    settings = channel_blocks.GhostBottleneck(24, C, halves=True)
    full, half = (
        built(channel_blocks.ghost_bottleneck, settings, strides, "a")
        for strides in (1, 2)
    )
    assert [w.shape for w in full.weights] == [w.shape for w in half.weights]
    assert full.output_shape == (None, 8, 8, C)
    assert half.output_shape == (None, 4, 4, C)


def test_odd_filters_of_a_ghost_module_are_refused():
    image = keras.Input((4, 4, C))
    with pytest.raises(InvalidArgumentError, match=r"'mine' has 15 filters, .* as 16"):
        channel_blocks.ghost_module(image, 15, "mine")
