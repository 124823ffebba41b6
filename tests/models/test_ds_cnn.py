from tfcompress.models import ds_cnn
from tfcompress.profiling.keras_model import profile_keras_model


def test_published_counts():
    # The KWS model of MLPerf Tiny: 10x4 kernels with stride 2, then four blocks.
    positions = 25 * 5
    params = 40 * 64 + 64 + 4 * 64
    params += 4 * (9 * 64 + 64 + 4 * 64 + 64 * 64 + 64 + 4 * 64)
    params += 64 * 12 + 12
    macs = positions * (40 * 64 + 4 * (9 * 64 + 64 * 64)) + 64 * 12
    totals = profile_keras_model(ds_cnn()).totals
    assert totals.params == params == 24_908
    assert totals.macs == macs == 2_656_768


def test_takes_small_pictures():
    model = ds_cnn((28, 28, 1), 10, alpha=0.5)
    assert model.get_layer("pool").input_shape == (None, 14, 14, 32)
    full = ds_cnn((28, 28, 1), 10, alpha=0.5, num_halvings=0)
    assert full.get_layer("pool").input_shape == (None, 28, 28, 32)
