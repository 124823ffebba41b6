import numpy as np
import pytest
import tf_keras as keras

from tfcompress.rewriting.normalized_axis import normalize_last_axis

layers = keras.layers


def built(layer, shape=(5, 6, 3), calls=1):
    x = image = keras.Input(shape, name="image")
    for _ in range(calls):
        x = layer(x)
    return keras.Model(image, x)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.BatchNormalization(axis=1, name="norm"), (5, 6, 3)),
        (layers.BatchNormalization(axis=2, name="norm"), (5, 6, 3)),
        (layers.BatchNormalization(axis=-2, name="norm"), (5, 6)),
        (
            layers.Normalization(1, np.arange(5), np.arange(1, 6), name="norm"),
            (5, 6, 3),
        ),
    ],
)
def test_another_axis_is_turned_to_the_end_and_back(rewritten, layer, shape):
    model, changes = rewritten(built(layer, shape), normalize_last_axis)
    assert changes == [("norm", "put between two Permutes")]
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds == ["Permute", type(layer).__name__, "Permute"]
    axis = np.atleast_1d(model.get_layer("norm").axis)
    assert (axis % (len(shape) + 1)).tolist() == [len(shape)]


def test_a_layer_that_is_called_twice_is_turned_at_both(rewritten):
    norm = layers.BatchNormalization(axis=1)
    model, changes = rewritten(built(norm, calls=2), normalize_last_axis)
    assert len(changes) == 1
    assert sum(isinstance(layer, layers.Permute) for layer in model.layers) == 4


@pytest.mark.parametrize(
    "layer",
    [
        layers.BatchNormalization(),
        layers.BatchNormalization(axis=[1, 3]),
        layers.Normalization(axis=None, mean=1.0, variance=2.0),
    ],
)
def test_the_last_axis_and_several_stay(rewritten, layer):
    assert rewritten(built(layer), normalize_last_axis)[1] == []
