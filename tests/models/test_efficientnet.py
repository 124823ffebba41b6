import numpy as np
import pytest
import tf_keras as keras

from tfcompress import models
from tfcompress.profiling.keras_model import profile_keras_model

# Table 1 of arXiv:1905.11946: expansion, filters, blocks, stride, kernel.
STAGES = [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)]
STAGES += [(6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]


def counts(excites):
    """Parameters, non-trainable ones, multiply-accumulates at 224x224x3."""
    side, num_in = 112, 32
    params, fixed, macs = 27 * 32 + 4 * 32, 2 * 32, side**2 * 27 * 32
    for ratio, num_out, num_blocks, stride, kernel in STAGES:
        for block in range(num_blocks):
            wide = ratio * num_in
            if ratio > 1:
                params += num_in * wide + 4 * wide
                fixed += 2 * wide
                macs += side**2 * num_in * wide
            side //= stride if block == 0 else 1
            params += kernel**2 * wide + 4 * wide + wide * num_out + 4 * num_out
            fixed += 2 * wide + 2 * num_out
            macs += side**2 * (kernel**2 * wide + wide * num_out)
            if excites:
                params += 2 * wide * (num_in // 4) + wide + num_in // 4
                macs += 2 * wide * (num_in // 4)
            num_in = num_out
    params += num_in * 1280 + 4 * 1280 + 1280 * 1000 + 1000
    macs += side**2 * num_in * 1280 + 1280 * 1000
    return params, params - fixed - 2 * 1280, macs


@pytest.mark.parametrize(
    ("name", "params", "trainable_params", "macs"),
    [
        # keras.applications has 7 more, in its preprocessing; the paper: 390 M.
        ("efficientnet_b0", 5_330_564, 5_288_548, 385_814_752),
        # timm has the same trainable ones; the authors say 4.7 M and 407 M.
        ("efficientnet_lite0", 4_694_024, 4_652_008, 385_187_552),
    ],
)
def test_published_counts(name, params, trainable_params, macs):
    assert counts(name == "efficientnet_b0") == (params, trainable_params, macs)
    totals = profile_keras_model(models.ARCHITECTURES[name]()).totals
    assert totals.params == params
    assert totals.trainable_params == trainable_params
    assert totals.macs == macs


def test_same_function_as_keras_applications():
    theirs = keras.applications.EfficientNetB0(
        weights=None, input_shape=(64, 64, 3), classes=4, classifier_activation=None
    )
    ours = models.efficientnet_b0((64, 64, 3), 4, num_halvings=5)
    # The first three weights are those of their Normalization.
    ours.set_weights(theirs.get_weights()[3:])
    x = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    (norm,) = [x for x in theirs.layers if isinstance(x, keras.layers.Normalization)]
    scaled = keras.Model(theirs.input, norm.output)
    np.testing.assert_allclose(ours(scaled(x)), theirs(x), rtol=1e-4, atol=1e-6)


def test_lite_keeps_both_ends_and_has_no_swish():
    model = models.efficientnet_lite0((16, 16, 1), 3, alpha=0.25)
    assert model.get_layer("stem_conv").filters == 32
    assert model.get_layer("head_conv").filters == 1280
    assert "Activation" not in {type(layer).__name__ for layer in model.layers}
