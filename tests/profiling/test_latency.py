import os

import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.export import export_tflite
from tfcompress.profiling.latency import (
    Latency,
    _interval,
    latency_ratio,
    measure_latency,
)

layers = keras.layers


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same convolution over 4x4 and over 64x64 positions: 256 times the work."""
    folder = tmp_path_factory.mktemp("latency")
    for side in (4, 64):
        model = keras.Sequential(
            [layers.Input((side, side, 8)), layers.Conv2D(32, 3, padding="same")]
        )
        export_tflite(model, folder / f"{side}.tflite", quantization="float32")
    return folder / "4.tflite", folder / "64.tflite"


def test_percentiles_rise_and_say_how_they_were_measured(files):
    latency = measure_latency(files[0], num_threads=1, num_runs=20, seconds=0)
    assert 0 < latency.p10 <= latency.p50 <= latency.p90
    assert latency.p10 <= latency.mean
    assert (latency.num_runs, latency.num_threads) == (20, 1)
    assert latency.num_warm_up_runs >= 3
    assert latency.cores is None or len(latency.cores) == 1


def test_a_batch_is_one_run_of_several_examples(files):
    latency = measure_latency(files[0], batch_size=3, num_runs=10, seconds=0)
    assert latency.batch_size == 3
    assert latency.examples_per_second == pytest.approx(3000 / latency.p50)


def test_a_second_is_filled_with_runs_and_300_are_made_whatever_they_take(files):
    fast = measure_latency(files[0])
    # A second of runs, and of what is done between them, such as reading the clock.
    assert fast.num_runs > 300
    assert fast.num_runs * fast.mean > 500
    assert measure_latency(files[0], seconds=0).num_runs == 300


def test_time_limit_still_gives_ten_runs(files):
    assert measure_latency(files[0], max_seconds=0).num_runs == 10


def test_ratio_is_of_the_first_to_the_second(files):
    small, large = files
    found = latency_ratio(large, small, precision=1.0)
    assert found.ratio > 4
    assert 1 < found.low <= found.ratio <= found.high
    assert found.confidence == 0.95
    assert found.num_pairs >= 8 * 10  # rounds of ten pairs at least


@pytest.mark.slow
def test_a_file_takes_as_long_as_itself(files):
    found = latency_ratio(files[1], files[1])
    # `tests/benchmarks/latency_trust.py` has the tight limits, for a quiet machine.
    assert found.low <= 1 <= found.high or abs(found.ratio - 1) < 0.1


def test_the_interval_covers_the_ratio_as_often_as_it_says():
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(50):
        # The first takes 1.2 times as long; either is disturbed now and then.
        rounds = [1 + random.exponential(0.1, (2, 12)) for _ in range(20)]
        low, high = _interval([times * [[1.2], [1.0]] for times in rounds])
        assert high - low < 0.1
        covered += low <= 1.2 <= high
    assert 44 <= covered <= 50


def test_the_interval_is_a_point_where_nothing_disturbs():
    assert _interval([np.array([[3.0] * 20, [2.0] * 20])] * 8) == (1.5, 1.5)


def test_to_dict_has_the_keys_of_the_report():
    latency = Latency(1.0, 2.0, 3.0, 2.5, 4, 5, batch_size=6, cores=(0, 1))
    assert latency.to_dict() == {
        "p10": 1.0,
        "p50": 2.0,
        "p90": 3.0,
        "mean": 2.5,
        "num_runs": 4,
        "num_threads": 5,
        "batch_size": 6,
        "num_warm_up_runs": 0,
        "cores": [0, 1],
        "examples_per_second": 6 * 1000 / 2.0,
    }


def test_missing_and_damaged_files_are_one_line(tmp_path, files):
    with pytest.raises(ModelError, match=r"cannot run .*none.tflite"):
        measure_latency(tmp_path / "none.tflite")
    content = files[0].read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"cut\.tflite is damaged .* copy") as caught:
        latency_ratio(files[0], tmp_path / "cut.tflite")
    assert "\n" not in str(caught.value)


def test_no_thread_is_refused(files):
    with pytest.raises(InvalidArgumentError, match="num_threads is 0"):
        measure_latency(files[0], num_threads=0)


def test_affinity_of_this_process_is_left_alone(files):
    before = os.sched_getaffinity(0)
    measure_latency(files[0], num_runs=1, seconds=0)
    assert os.sched_getaffinity(0) == before
