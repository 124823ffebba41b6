import pytest
import tf_keras as keras

from tfcompress.rewriting.layer_normalization import sum_in_layer_normalization

layers = keras.layers


def built(layer):
    image = keras.Input((5, 6, 3), name="image")
    return keras.Model(image, layer(image))


@pytest.mark.parametrize(
    "settings", [{}, {"axis": 3, "epsilon": 0.1}, {"scale": False, "center": False}]
)
def test_means_become_sums(rewritten, settings):
    layer = layers.LayerNormalization(name="norm", **settings)
    model, changes = rewritten(built(layer), sum_in_layer_normalization)
    assert changes == [("norm", "rewritten to SumLayerNormalization")]
    assert type(model.get_layer("norm")).__name__ == "SumLayerNormalization"


def test_other_axes_stay(rewritten):
    layer = layers.LayerNormalization(axis=(1, 2))
    assert rewritten(built(layer), sum_in_layer_normalization)[1] == []
