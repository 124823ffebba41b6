import numpy as np
import tf_keras as keras

from tfcompress.models import mobilenet_v1, mobilenet_v1_tiny
from tfcompress.profiling.keras_model import profile_keras_model


def test_published_counts():
    # Table 1 of arXiv:1704.04861; each block is a depthwise 3x3 and a pointwise 1x1.
    channels = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
    sides = [112, 112, 56, 56, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7]
    macs = 112 * 112 * 27 * 32 + 1024 * 1000
    params = 27 * 32 + 4 * 32 + 1024 * 1000 + 1000
    for num_in, num_out, side in zip(channels, channels[1:], sides[1:], strict=False):
        macs += side * side * (9 * num_in + num_in * num_out)
        params += 9 * num_in + 4 * num_in + num_in * num_out + 4 * num_out
    totals = profile_keras_model(mobilenet_v1()).totals
    assert totals.params == params == 4_253_864
    assert totals.macs == macs == 568_740_352


def test_same_function_as_keras_applications():
    theirs = keras.applications.MobileNet(
        (96, 96, 3), alpha=0.25, weights=None, classes=4, classifier_activation=None
    )
    ours = mobilenet_v1((96, 96, 3), 4, alpha=0.25)
    weights = theirs.get_weights()
    weights[-2] = weights[-2].reshape(256, 4)
    ours.set_weights(weights)
    x = np.random.default_rng(0).random((2, 96, 96, 3), np.float32)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-6)


def test_small_input_ends_at_4x4_with_the_same_weights():
    small = mobilenet_v1((28, 28, 3), 10, alpha=0.25)
    large = mobilenet_v1((128, 128, 3), 10, alpha=0.25)
    assert small.get_layer("pool").input_shape == (None, 4, 4, 256)
    assert [w.shape for w in small.weights] == [w.shape for w in large.weights]


def test_counts_of_mlperf_tiny():
    channels = [8, 16, 32, 32, 64, 64, *[128] * 6, 256, 256]
    sides = [48, 48, 24, 24, 12, 12, *[6] * 6, 3, 3]
    params = 27 * 8 + 8 + 4 * 8 + 256 * 2 + 2
    macs = 48 * 48 * 27 * 8 + 256 * 2
    for num_in, num_out, side in zip(channels, channels[1:], sides[1:], strict=False):
        params += 9 * num_in + num_in + 4 * num_in
        params += num_in * num_out + num_out + 4 * num_out
        macs += side * side * (9 * num_in + num_in * num_out)
    totals = profile_keras_model(mobilenet_v1_tiny()).totals
    assert totals.params == params == 221_794
    assert totals.macs == macs == 7_489_664
