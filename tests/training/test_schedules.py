import math

import pytest
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.training.fit import Fit
from tfcompress.training.schedules import CosineDecay


def test_warms_up_then_decays():
    schedule = CosineDecay(initial=0.8, warmup_epochs=1.0, final_fraction=0.25).build(
        epochs=5, steps_per_epoch=4
    )
    # Four steps up from 0, then sixteen down to a quarter of the peak.
    rates = [float(schedule(step)) for step in (0, 1, 4, 12, 20)]
    half_way = 0.8 * (0.75 * 0.5 * (1 + math.cos(math.pi * 0.5)) + 0.25)
    assert rates == pytest.approx([0.0, 0.2, 0.8, half_way, 0.2], abs=1e-6)


def test_without_warmup_starts_at_the_peak():
    schedule = CosineDecay(initial=0.1).build(epochs=2, steps_per_epoch=5)
    assert float(schedule(0)) == pytest.approx(0.1)
    assert float(schedule(10)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial": 0.0},
        {"initial": float("nan")},
        {"warmup_epochs": -1},
        {"final_fraction": 1.5},
    ],
)
def test_refuses_values_out_of_range(wrong):
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        CosineDecay(**wrong)


def test_a_schedule_of_keras_is_told_from_ours():
    theirs = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(InvalidArgumentError, match=r"a CosineDecay of tf_keras$"):
        Fit(learning_rate=theirs)
