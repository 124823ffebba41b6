import math

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.channels.families import Limits
from tfcompress.channels.removal import Removable
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate
from tfcompress.stages.channel_targets import (
    FileTarget,
    FractionTarget,
    LatencyTarget,
    SizeTarget,
    is_target,
    make_target,
)

layers = keras.layers
OPTIONS = {"round_to": 1, "min_channels": 4, "num_images": 16, "epochs": 0}


def wide_model():
    keras.utils.set_random_seed(0)
    image = layers.Input((8, 8, 1))
    x = layers.Conv2D(48, 3, padding="same", activation="relu", name="first")(image)
    x = layers.Conv2D(128, 3, padding="same", name="second")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="wide")


@pytest.fixture(scope="module")
def model():
    return wide_model()


@pytest.fixture
def run(tmp_path):
    return tfc.Run(data=tiny.data(), workdir=tmp_path)


@pytest.fixture(scope="module")
def size(model):
    """What the file of the whole model weighs."""
    return SizeTarget(1, Removable(model), tfc.Run(data=tiny.data()))


def file_of(model, run, path):
    """The file of QuantizationAware(epochs=0) and an export."""
    quantized = fake_quantize(model)
    calibrate(quantized, run.data.calibration(8, 5).images)
    return tfc.export_tflite(quantized, path, quantization="int8").path.read_bytes()


class LineTarget(FileTarget):
    """A file that costs as much as what its channels cost, on a line."""

    def __init__(self, goal, removable, run, offset=1000.0):
        self.offset, self.num_measured = offset, 0
        super().__init__(goal, removable, run)

    def _predict(self, removable, keep):
        return removable.cost.macs(keep) / 2

    def _measure(self, model):
        self.num_measured += 1
        removable = Removable(model)
        return self.offset + removable.cost.macs(removable.everything)

    def _measure_whole(self, model):
        return self._measure(model)

    def text(self, cost):
        return str(cost)


def choose(removable):
    scores = np.arange(len(removable.dependencies.groups), dtype=float)
    return lambda measure, target, lowest: removable.choose(
        scores, Limits(1, 1, 0.95), "layer", measure, target, lowest
    )


@pytest.mark.parametrize("offset", [0.0, 400_000.0])
def test_a_line_is_found_with_few_measurements(model, run, offset):
    removable = Removable(model)
    target = LineTarget(1, removable, run, offset)
    goal = offset + 0.5 * (target.whole - offset)
    _, cost = target.choose(removable, choose(removable), goal)
    assert 0.97 * goal <= cost <= goal
    assert target.num_measured <= 1 + target.num_candidates


def test_what_cannot_be_reached_is_told_by_its_cost(model, run):
    removable = Removable(model)
    target = LineTarget(1, removable, run)
    keep, cost = target.choose(removable, choose(removable), 500.0)
    assert cost > 500
    assert cost == target._measure(removable.without(keep))


def test_fraction_is_arithmetic(model):
    removable = Removable(model)
    target = FractionTarget("params", 0.5, removable)
    assert target.whole == model.count_params()
    assert target.goal == 0.5 * model.count_params()
    keep, cost = target.choose(removable, choose(removable), target.goal)
    assert cost == removable.without(keep).count_params() <= target.goal


def test_size_is_that_of_the_file(model, run, size, tmp_path):
    goal = 0.6 * size.whole
    pruned = tfc.ChannelPruning(target={"size_bytes": goal}, **OPTIONS)(model, run)
    reached = len(file_of(pruned, run, tmp_path / "pruned.tflite"))
    assert 0.98 * goal <= reached <= goal
    assert run.facts["size_bytes"] == {
        "target": goal,
        "before": size.whole,
        "reached": reached,
    }


def test_size_is_predicted_by_bytes_of_weights_and_channels(model, size):
    removable = Removable(model)
    weights = 9 * 48 + 9 * 48 * 128 + 128 * 3
    predicted = size._predict(removable, removable.everything)
    assert predicted == weights + 12 * (48 + 128 + 3)


def test_latency_of_the_chosen_model_is_measured(model, run, monkeypatch):
    measured = []
    measure = LatencyTarget._measure

    def spy(self, candidate):
        measured.append(measure(self, candidate))
        return measured[-1]

    monkeypatch.setattr(LatencyTarget, "_measure", spy)
    monkeypatch.setattr(LatencyTarget, "num_candidates", 2)
    removable = Removable(model)
    target = LatencyTarget(1, removable, run)
    keep, cost = target.choose(removable, choose(removable), 0.5 * target.whole)
    assert cost in measured
    assert 0 < cost < target.whole
    assert not keep.all()
    assert (run.stage_dir / "layer_latency.json").is_file()
    assert target.text(1.23456) == "latency_ms 1.235"


def test_target_out_of_reach_says_how_far_it_got(model, run):
    stage = tfc.ChannelPruning(target={"size_bytes": 100}, **OPTIONS)
    weights = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(ModelError, match=r"down to size_bytes \d+, not to size_bytes"):
        stage(model, run)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_model_that_costs_less_already_is_refused(model, run):
    with pytest.raises(ModelError, match="as it is; ask for less"):
        make_target("size_bytes", 10**9, Removable(model), run)


@pytest.mark.parametrize(
    "target",
    [
        {"macs": 0.5},
        {"channels": 0.01},
        {"size_bytes": 100_000},
        {"latency_ms": 0.5},
    ],
)
def test_targets_that_there_are(target):
    assert is_target(target)
    tfc.ChannelPruning(target=target)


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"macs": 0.5, "params": 0.5},
        {"macs": 1},
        {"macs": 0},
        {"macs": "half"},
        {"macs": True},
        {"watts": 0.5},
        {"size_bytes": 0},
        {"latency_ms": -1},
        {"latency_ms": math.nan},
        {"latency_ms": math.inf},
    ],
)
def test_targets_that_there_are_not(target):
    assert not is_target(target)
    with pytest.raises(InvalidArgumentError, match="target"):
        tfc.ChannelPruning(target=target)
