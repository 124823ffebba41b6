import pytest
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import blocks


@pytest.mark.parametrize(
    ("channels", "alpha", "expected"),
    [
        (32, 1.0, 32),
        (32, 0.25, 8),
        (24, 0.35, 8),  # 8.4
        (32, 0.35, 16),  # 11.2: 8 would be more than 10 % below
        (16, 0.01, 8),
        (1280, 1.4, 1792),
    ],
)
def test_scaled_channels(channels, alpha, expected):
    assert blocks.scaled_channels(channels, alpha) == expected


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (224, [2, 2, 1, 2, 2, 2]),  # 112 56 28 14 7
        (96, [2, 2, 1, 2, 2, 2]),  # 48 24 12 6 3
        (64, [1, 2, 1, 2, 2, 2]),  # 32 16 8 4
        (28, [1, 1, 1, 2, 2, 2]),  # 14 7 4
        (8, [1, 1, 1, 1, 1, 2]),  # 4
    ],
)
def test_fitted_strides_drops_the_earliest(side, expected):
    assert blocks.fitted_strides([2, 2, 1, 2, 2, 2], (side, 300, 3)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((28, 28), 10, 1.0, 0.0), r"input_shape is \(28, 28\): .*height, width"),
        (((28, 7, 1), 10, 1.0, 0.0), "at least 8"),
        (((28, 28, 0), 10, 1.0, 0.0), "input_shape"),
        (((28.0, 28, 1), 10, 1.0, 0.0), "whole numbers"),
        ((None, 10, 1.0, 0.0), "input_shape is None"),
        (((28, 28, 1), 1, 1.0, 0.0), "num_classes is 1: .*at least 2"),
        (((28, 28, 1), 10, 0.0, 0.0), r"alpha is 0\.0: .*above 0"),
        (((28, 28, 1), 10, float("nan"), 0.0), "alpha is nan"),
        (((28, 28, 1), 10, "1", 0.0), "alpha is '1'"),
        (((28, 28, 1), 10, 1.0, 1.0), r"dropout is 1\.0: .*\[0, 1\)"),
    ],
)
def test_check_arguments_says_what_is_expected(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        blocks.check_arguments(*arguments)
    assert "\n" not in str(caught.value)


def test_inverted_bottleneck_adds_its_input_only_when_the_shape_is_kept():
    x = keras.Input((8, 8, 16))
    kept = keras.Model(x, blocks.inverted_bottleneck(x, 16, 2, 1, "kept"))
    halved = keras.Model(x, blocks.inverted_bottleneck(x, 16, 2, 2, "halved"))
    wider = keras.Model(x, blocks.inverted_bottleneck(x, 24, 2, 1, "wider"))
    assert [layer.name for layer in kept.layers if "add" in layer.name] == ["kept_add"]
    assert not [m for m in (halved, wider) for layer in m.layers if "add" in layer.name]


def test_logits_drops_only_when_asked():
    x = keras.Input((4, 4, 8))
    names = [layer.name for layer in keras.Model(x, blocks.logits(x, 3, 0.0)).layers]
    assert names[1:] == ["pool", "logits"]
    dropped = keras.Model(x, blocks.logits(x, 3, 0.5))
    assert dropped.get_layer("dropout").rate == 0.5


@pytest.mark.parametrize(
    ("num_halvings", "expected"),
    [(0, [1, 1, 1, 1]), (1, [1, 1, 1, 2]), (2, [1, 1, 2, 2]), (3, [2, 1, 2, 2])],
)
def test_fitted_strides_keeps_as_many_as_asked_for(num_halvings, expected):
    strides = blocks.fitted_strides([2, 1, 2, 2], (8, 8, 1), num_halvings)
    assert strides == expected


@pytest.mark.parametrize("num_halvings", [-1, 4, 1.5])
def test_fitted_strides_refuses_halvings_that_are_not_there(num_halvings):
    with pytest.raises(InvalidArgumentError, match="from 0 to 3"):
        blocks.fitted_strides([2, 1, 2, 2], (8, 8, 1), num_halvings)
