import numpy as np
import pytest
import tf_keras as keras

from tfcompress.layers.sum_layer_normalization import SumLayerNormalization


@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}])
def test_it_computes_what_keras_does_of_means(settings):
    x = np.random.default_rng(0).normal(3, 2, (2, 4, 6)).astype("float32")
    theirs = keras.layers.LayerNormalization(**settings)
    ours = SumLayerNormalization.from_config(theirs.get_config())
    expected = theirs(x)
    np.testing.assert_allclose(ours(x), expected, atol=1e-5)
