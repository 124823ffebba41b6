import numpy as np
import pytest
import tf_keras as keras

from tfcompress.layers.slice import Slice

X = np.arange(2 * 5 * 6 * 3, dtype=np.float32).reshape(2, 5, 6, 3)


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([(1, None, None)], X[:, 1:]),
        ([(None, None, 2), (None, -1, 3)], X[:, ::2, :-1:3]),
        ([(None, None, None)] * 2 + [(None, None, -1)], X[..., ::-1]),
        ([(0, 0, None)], X[:, 0:0]),
        ([(4, 1, -2), (-100, 100, None)], X[:, 4:1:-2]),
    ],
)
def test_slice_is_that_of_numpy(slices, expected):
    layer = Slice(slices)
    np.testing.assert_array_equal(layer(X), expected)
    assert layer.compute_output_shape((None, 5, 6, 3)) == (None, *expected.shape[1:])


def test_unknown_size_stays_unknown():
    shape = Slice([(None, None, 2), (1, 3, None)]).compute_output_shape
    assert shape((None, None, 6, 3)) == (None, None, 2, 3)


def test_works_on_images_of_any_size():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, Slice([(None, None, 2), (None, None, 2)])(image))
    assert model(X).shape == (2, 3, 3, 3)
