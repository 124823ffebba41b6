import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.models import shufflenet_v2
from tfcompress.models.shufflenet_v2 import _filters
from tfcompress.profiling.keras_model import profile_keras_model


def counts(filters, last):
    """Parameters, trainable ones, multiply-accumulates at 224x224x3."""
    params, fixed, macs = 27 * 24 + 4 * 24, 2 * 24, 112**2 * 27 * 24
    side, num_in = 56, 24
    for stage, depth in enumerate((4, 8, 4)):
        half = filters * 2**stage // 2
        # The unit that halves: 1x1, depthwise, 1x1 beside depthwise, 1x1.
        macs += side**2 * num_in * half
        side //= 2
        macs += side**2 * (9 * half + half**2 + 9 * num_in + num_in * half)
        params += num_in * half + 9 * half + half**2 + 9 * num_in + num_in * half
        params += 4 * (4 * half + num_in)
        # The others compute half of the channels only.
        macs += (depth - 1) * side**2 * (2 * half**2 + 9 * half)
        params += (depth - 1) * (2 * half**2 + 9 * half + 12 * half)
        fixed += 2 * (4 * half + num_in) + (depth - 1) * 6 * half
        num_in = 2 * half
    params += num_in * last + 4 * last + last * 1000 + 1000
    fixed += 2 * last
    return params, params - fixed, macs + side**2 * num_in * last + last * 1000


@pytest.mark.parametrize(
    ("alpha", "filters", "last", "trainable_params", "macs"),
    [
        # torchvision publishes these trainable parameters, and 0.04, 0.14, 0.30, 0.58
        # GMACs; the paper says 41, 146, 299 and 591 M.
        pytest.param(0.5, 48, 1024, 1_366_792, 40_476_448, marks=pytest.mark.slow),
        (1.0, 116, 1024, 2_278_604, 144_907_992),
        pytest.param(1.5, 176, 1024, 3_503_624, 295_759_392, marks=pytest.mark.slow),
        pytest.param(2.0, 244, 2048, 7_393_996, 583_253_464, marks=pytest.mark.slow),
    ],
)
def test_published_counts(alpha, filters, last, trainable_params, macs):
    totals = profile_keras_model(shufflenet_v2(alpha=alpha)).totals
    found = (totals.params, totals.trainable_params, totals.macs)
    assert found == counts(filters, last)
    assert found[1:] == (trainable_params, macs)


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(1, (116, 1024)), (2.0, (244, 2048)), (0.25, (28, 1024)), (0.01, (2, 1024))],
)
def test_other_widths_are_even(alpha, expected):
    assert _filters(alpha) == expected


def test_width_that_leaves_no_channel_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"alpha is 0\.008.* at least 0\.01"):
        shufflenet_v2((16, 16, 1), 3, alpha=0.008)
