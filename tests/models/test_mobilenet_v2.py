import numpy as np
import pytest
import tf_keras as keras

from tfcompress.models import mobilenet_v2
from tfcompress.profiling.keras_model import profile_keras_model


def test_published_counts():
    # Table 2 of arXiv:1801.04381: expansion, filters, blocks, stride of the first.
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)]
    stages += [(6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    side, num_in = 112, 32
    macs = side**2 * 27 * 32
    params = 27 * 32 + 4 * 32
    for expansion, num_out, num_blocks, stride in stages:
        for block in range(num_blocks):
            wide = num_in * expansion
            if expansion > 1:
                macs += side**2 * num_in * wide
                params += num_in * wide + 4 * wide
            side //= stride if block == 0 else 1
            macs += side**2 * (9 * wide + wide * num_out)
            params += 9 * wide + 4 * wide + wide * num_out + 4 * num_out
            num_in = num_out
    macs += 7 * 7 * 320 * 1280 + 1280 * 1000
    params += 320 * 1280 + 4 * 1280 + 1280 * 1000 + 1000
    totals = profile_keras_model(mobilenet_v2()).totals
    assert totals.params == params == 3_538_984
    assert totals.macs == macs == 300_774_272


def test_same_function_as_keras_applications():
    theirs = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, weights=None, classes=4, classifier_activation=None
    )
    ours = mobilenet_v2((96, 96, 3), 4, alpha=0.35)
    ours.set_weights(theirs.get_weights())
    x = np.random.default_rng(0).random((2, 96, 96, 3), np.float32)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("alpha", "filters"),
    [(0.25, 1280), pytest.param(1.4, 1792, marks=pytest.mark.slow)],
)
def test_last_convolution_is_never_narrower_than_1280(alpha, filters):
    model = mobilenet_v2((16, 16, 1), 10, alpha=alpha)
    assert model.get_layer("head_conv").filters == filters
