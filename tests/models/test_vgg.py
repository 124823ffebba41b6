import itertools

import numpy as np
import pytest
import tf_keras as keras

from tfcompress.models import vgg16
from tfcompress.profiling.keras_model import profile_keras_model

STAGES = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]


def counts(input_shape, stages, units, num_classes):
    side, num_in = input_shape[0], input_shape[2]
    params = macs = 0
    for filters, num_convolutions in stages:
        for _ in range(num_convolutions):
            params += 9 * num_in * filters + filters
            macs += side**2 * 9 * num_in * filters
            num_in = filters
        side //= 2
    widths = [side**2 * num_in, units, units, num_classes]
    for before, after in itertools.pairwise(widths):
        params += before * after + after
        macs += before * after
    return params, macs


# 138 M parameters take 10 s to make.
@pytest.mark.slow
def test_published_counts():
    totals = profile_keras_model(vgg16()).totals
    assert (totals.params, totals.macs) == (138_357_544, 15_470_264_320)
    assert (totals.params, totals.macs) == counts((224, 224, 3), STAGES, 4096, 1000)


def test_counts_of_an_eighth():
    model = vgg16((96, 96, 3), 10, alpha=0.125)
    totals = profile_keras_model(model).totals
    stages = [(filters // 8, depth) for filters, depth in STAGES]
    assert (totals.params, totals.macs) == counts((96, 96, 3), stages, 512, 10)


def test_same_features_as_keras_applications():
    theirs = keras.applications.VGG16(False, weights=None, input_shape=(32, 32, 3))
    ours = vgg16((32, 32, 3), 2, num_halvings=5)
    features = keras.Model(ours.input, ours.get_layer("stage5_pool").output)
    features.set_weights(theirs.get_weights())
    x = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    np.testing.assert_allclose(features(x), theirs(x), rtol=1e-4, atol=1e-6)


def test_small_input_loses_the_first_poolings():
    model = vgg16((28, 28, 1), 10, alpha=0.125, dropout=0.5)
    names = [layer.name for layer in model.layers if "pool" in layer.name]
    assert names == ["stage3_pool", "stage4_pool", "stage5_pool"]
    assert model.get_layer("flat").input_shape == (None, 4, 4, 64)
    assert model.get_layer("dense1_dropout").rate == 0.5
    assert model.get_layer("dropout").rate == 0.5
