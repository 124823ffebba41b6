import numpy as np
import tf_keras as keras

from tfcompress.channels.cut import IN, OUT, Cut, resized, take
from tfcompress.rewriting.graph import LayerSpec

GIVEN = Cut(2, 4, np.array([0, 3]))
OUTPUT = Cut(2, 6, np.array([1, 2, 5]))


def test_parts_count_from_their_own_start():
    assert [part.tolist() for part in OUTPUT.parts(2)] == [[1, 2], [2]]
    assert [part.tolist() for part in OUTPUT.parts(3)] == [[1], [0], [1]]
    assert [part.tolist() for part in OUTPUT.parts(1)] == [[1, 2, 5]]


def test_take_follows_the_role_of_each_axis():
    weight = np.arange(2 * 4 * 6).reshape(2, 4, 6)
    taken = take(weight, (None, IN, OUT), GIVEN, OUTPUT)
    expected = [
        [[a * 24 + b * 6 + c for c in (1, 2, 5)] for b in (0, 3)] for a in (0, 1)
    ]
    assert taken.tolist() == expected
    assert (
        take(weight[0], (IN, None), GIVEN, OUTPUT).tolist()
        == weight[0, [0, 3]].tolist()
    )


def test_resized_is_another_layer_of_the_same_name():
    layer = keras.layers.Conv2D(6, 3, activation="relu", name="conv", trainable=False)
    smaller = resized(LayerSpec(layer), [np.zeros(1)], filters=3)
    assert smaller.layer is not layer
    assert smaller.layer.get_config() == layer.get_config() | {"filters": 3}
    assert (smaller.name, len(smaller.weights)) == ("conv", 1)
