import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import squeezenet
from tfcompress.profiling.keras_model import profile_keras_model


def test_published_counts():
    # torchvision has the same parameters and 349.15 M; 352 M are with the biases.
    params, macs = 28 * 64, 111**2 * 27 * 64
    fires = [(64, 16, 64, 55), (128, 16, 64, 55), (128, 32, 128, 27)]
    fires += [(256, 32, 128, 27), (256, 48, 192, 13), (384, 48, 192, 13)]
    fires += [(384, 64, 256, 13), (512, 64, 256, 13)]
    for num_in, squeezed, expanded, side in fires:
        weights = num_in * squeezed + 10 * squeezed * expanded
        params += weights + squeezed + 2 * expanded
        macs += side**2 * weights
    params += 513 * 1000
    macs += 13**2 * 512 * 1000
    totals = profile_keras_model(squeezenet()).totals
    assert totals.params == params == 1_235_496
    assert totals.macs == macs == 349_151_936


@pytest.mark.parametrize(
    ("side", "num_halvings", "last"),
    [
        (8, None, 6),  # a pooling more would leave 2
        (16, None, 6),
        (28, None, 5),
        (96, None, 5),
        (28, 3, 2),
        (8, 1, 2),
    ],
)
def test_last_map(side, num_halvings, last):
    model = squeezenet((side, 96, 1), 3, alpha=0.125, num_halvings=num_halvings)
    assert model.get_layer("logits").input_shape[1] == last


@pytest.mark.parametrize(
    ("side", "num_halvings", "most"), [(8, 2, 1), (28, 4, 3), (28, -1, 3), (28, 1.5, 3)]
)
def test_halvings_that_the_input_does_not_allow(side, num_halvings, most):
    message = f"num_halvings is {num_halvings}: .* 0 to {most} for an input of {side}x"
    with pytest.raises(InvalidArgumentError, match=message):
        squeezenet((side, 96, 1), 3, num_halvings=num_halvings)


def test_logits_are_means_of_a_relu():
    model = squeezenet((16, 16, 1), 3, alpha=0.125, dropout=0.5)
    assert model.get_layer("dropout").rate == 0.5
    assert type(model.layers[-1]) is keras.layers.GlobalAveragePooling2D
    x = np.random.default_rng(0).normal(size=(8, 16, 16, 1)).astype(np.float32)
    assert model(x).numpy().min() >= 0
