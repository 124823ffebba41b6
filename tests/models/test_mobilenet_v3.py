import numpy as np
import pytest
import tf_keras as keras

from tfcompress import models
from tfcompress.profiling.keras_model import profile_keras_model

# Tables 1 and 2 of arXiv:1905.02244: kernel, expanded, filters, squeeze, stride.
LARGE = [(3, 16, 16, 0, 1), (3, 64, 24, 0, 2), (3, 72, 24, 0, 1), (5, 72, 40, 24, 2)]
LARGE += [(5, 120, 40, 32, 1)] * 2 + [(3, 240, 80, 0, 2), (3, 200, 80, 0, 1)]
LARGE += [(3, 184, 80, 0, 1)] * 2 + [(3, 480, 112, 120, 1), (3, 672, 112, 168, 1)]
LARGE += [(5, 672, 160, 168, 2)] + [(5, 960, 160, 240, 1)] * 2
SMALL = [(3, 16, 16, 8, 2), (3, 72, 24, 0, 2), (3, 88, 24, 0, 1), (5, 96, 40, 24, 2)]
SMALL += [(5, 240, 40, 64, 1)] * 2 + [(5, 120, 48, 32, 1), (5, 144, 48, 40, 1)]
SMALL += [(5, 288, 96, 72, 2)] + [(5, 576, 96, 144, 1)] * 2


def counts(table, units, minimalistic):
    """Parameters and multiply-accumulates at 224x224x3 and 1000 classes."""
    side, num_in = 112, 16
    params, macs = 27 * 16 + 4 * 16, side**2 * 27 * 16
    for kernel, wide, num_out, squeeze, stride in table:
        if minimalistic:
            kernel, squeeze = 3, 0
        if wide != num_in:
            params += num_in * wide + 4 * wide
            macs += side**2 * num_in * wide
        side //= stride
        params += kernel**2 * wide + 4 * wide + wide * num_out + 4 * num_out
        macs += side**2 * (kernel**2 * wide + wide * num_out)
        if squeeze:
            params += 2 * wide * squeeze + wide + squeeze
            macs += 2 * wide * squeeze
        num_in = num_out
    last = 6 * num_in
    params += num_in * last + 4 * last + last * units + units + units * 1000 + 1000
    return params, macs + side**2 * num_in * last + last * units + units * 1000


@pytest.mark.parametrize(
    ("name", "minimalistic", "params", "macs"),
    [
        # torchvision: 5,483,032 trainable and 216.59 M; the paper: 5.4 M and 219 M.
        ("mobilenet_v3_large", False, 5_507_432, 216_589_760),
        pytest.param(
            "mobilenet_v3_large",
            True,
            3_948_688,
            209_136_704,
            marks=pytest.mark.slow,
        ),
        # torchvision: 2,542,856 trainable and 56.51 M; the paper: 2.5 M and 56 M.
        ("mobilenet_v3_small", False, 2_554_968, 56_510_400),
        pytest.param(
            "mobilenet_v3_small", True, 2_056_848, 52_288_448, marks=pytest.mark.slow
        ),
    ],
)
def test_published_counts(name, minimalistic, params, macs):
    table, units = (LARGE, 1280) if name.endswith("large") else (SMALL, 1024)
    assert counts(table, units, minimalistic) == (params, macs)
    model = models.build(name, (224, 224, 3), 1000, minimalistic=minimalistic)
    totals = profile_keras_model(model).totals
    assert (totals.params, totals.macs) == (params, macs)


@pytest.mark.parametrize(
    ("name", "theirs", "alpha", "minimalistic"),
    [
        ("mobilenet_v3_small", keras.applications.MobileNetV3Small, 0.75, False),
        pytest.param(
            "mobilenet_v3_small",
            keras.applications.MobileNetV3Small,
            1.0,
            True,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "mobilenet_v3_large",
            keras.applications.MobileNetV3Large,
            0.75,
            False,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_same_function_as_keras_applications(name, theirs, alpha, minimalistic):
    theirs = theirs(
        (96, 96, 3),
        alpha,
        minimalistic,
        weights=None,
        classes=4,
        classifier_activation=None,
        include_preprocessing=False,
    )
    ours = models.build(name, (96, 96, 3), 4, alpha=alpha, minimalistic=minimalistic)
    # Their dense layers are 1x1 convolutions.
    weights = zip(theirs.get_weights(), ours.get_weights(), strict=True)
    ours.set_weights([a.reshape(b.shape) for a, b in weights])
    x = np.random.default_rng(0).normal(size=(2, 96, 96, 3)).astype(np.float32)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-6)


def test_minimalistic_has_neither_squeeze_nor_hard_swish_nor_large_kernels():
    model = models.mobilenet_v3_small((16, 16, 1), 3, alpha=0.25, minimalistic=True)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert not kinds & {"HardSwish", "HardSigmoid", "Multiply"}
    sizes = [layer.kernel_size for layer in model.layers if hasattr(layer, "groups")]
    assert set(sizes) == {(3, 3), (1, 1)}
