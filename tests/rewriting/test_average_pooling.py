import pytest
import tf_keras as keras

from tfcompress.rewriting.average_pooling import average_by_convolution
from tfcompress.rewriting.graph import Graph

layers = keras.layers


def network(size, *options, **more):
    image = keras.Input((*size, 4), name="image")
    x = layers.Conv2D(3, 1, name="conv")(image)
    pool = layers.AveragePooling2D(*options, name="pool", **more)
    return keras.Model(image, layers.Conv2D(2, 1, name="last")(pool(x)))


CASES = {
    "transition of DenseNet": (((8, 6), 2), ["WindowAverage"]),
    "shortcut of ShuffleNetV1": (
        ((8, 6), 3, 2, "same"),
        ["WindowAverage", "BorderScale"],
    ),
    "branch of Inception": (((7, 7), 3, 1, "same"), ["WindowAverage", "BorderScale"]),
    "same, but nothing is padded": (((8, 8), 2, 2, "same"), ["WindowAverage"]),
    "whole map": (((7, 5), (7, 5)), ["GlobalAveragePooling2D"]),
    "factors of 25/12 and the like": (((9, 9), 5, 2, "same"), ["AveragePooling2D"]),
    "larger than the map": (((2, 2), 3, 1, "same"), ["AveragePooling2D"]),
}


@pytest.mark.parametrize("case", CASES)
def test_outputs_stay_equal(rewritten, case):
    (size, *options), expected = CASES[case]
    model, changes = rewritten(network(size, *options), average_by_convolution)
    found = [type(layer).__name__ for layer in model.layers[2:-1]]
    assert found == expected
    assert [layer.name for layer in model.layers][-2] == "pool"
    stays = expected == ["AveragePooling2D"]
    assert changes == (
        [] if stays else [("pool", f"rewritten to {' and '.join(expected)}")]
    )


def test_maps_of_unknown_size_are_left_alone():
    assert not average_by_convolution(Graph.from_model(network((None, 8), 2)))


def test_a_pooling_layer_that_is_called_twice_fits_each_of_its_maps(rewritten):
    image = keras.Input((8, 9, 2), name="image")
    pool = layers.AveragePooling2D(3, 2, "same", name="pool")
    x = layers.Conv2D(2, 1)(pool(layers.Conv2D(2, 1)(image)))
    model, _ = rewritten(keras.Model(image, pool(x)), average_by_convolution)
    rows = [layer.rows for layer in model.layers if hasattr(layer, "rows")]
    # 8 rows, then 4: the last window has two inside. 9 columns, then 5: both ends.
    assert rows == [(1, 1, 1, 1.5), (1, 1.5)]
