import numpy as np
import pytest
import tf_keras as keras

from tfcompress.layers.window_average import BorderScale, WindowAverage

X = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype(np.float32)


def test_without_padding_it_is_average_pooling():
    expected = keras.layers.AveragePooling2D((3, 2), (2, 1))(X)
    layer = WindowAverage((3, 2), (2, 1), "valid")
    np.testing.assert_allclose(layer(X), expected, atol=1e-6)


def test_what_is_padded_counts_as_zeros():
    # 6 rows by 3 in steps of 2: the last window has two rows inside. 5 columns by 3:
    # the first and the last have two.
    average = WindowAverage((3, 3), (2, 2), "same")(X)
    np.testing.assert_allclose(
        average[:, 2, 0], X[:, 4:, :2].sum((1, 2)) / 9, atol=1e-6
    )
    border = BorderScale((1, 1, 1.5), (1.5, 1, 1.5))
    expected = keras.layers.AveragePooling2D(3, 2, "same")(X)
    np.testing.assert_allclose(border(average), expected, atol=1e-6)


def test_factors_are_whole_numbers_of_steps():
    assert BorderScale.takes(np.array([1, 1.5, 2.0, 2.25]))
    # A third of a step is missing; more than 255 steps.
    assert not BorderScale.takes(np.array([1, 4 / 3]))
    assert not BorderScale.takes(np.array([1, 2.5]))


def test_what_does_not_fit_the_picture_is_refused():
    with pytest.raises(ValueError, match="larger than the picture"):
        WindowAverage((7, 1), (1, 1), "same")(X)
    with pytest.raises(ValueError, match="do not fit"):
        BorderScale((1, 1), (1, 1))(X)
