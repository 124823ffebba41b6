import os
import subprocess
import sys

import pytest
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.export import export_tflite
from tfcompress.profiling.latency import (
    Latency,
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


def test_ratio_is_of_the_first_to_the_second(files):
    small, large = files
    found = latency_ratio(large, small, precision=1.0)
    assert found.ratio > 4
    assert 1 < found.low <= found.ratio <= found.high
    # Of nine rounds the second and the eighth: fewer than 2 of 9 heads are 10 in 512.
    assert (found.num_rounds, found.confidence) == (9, 1 - 2 * 10 / 512)


def test_no_round_is_begun_when_the_time_is_over(files):
    found = latency_ratio(*files, precision=1e-9, max_seconds=0)
    # Both heads or both tails: the median lies outside of two rounds in half the cases.
    assert (found.num_rounds, found.confidence) == (2, 0.5)


@pytest.mark.parametrize("precision", [0, -0.1, float("nan")])
def test_no_precision_is_refused(files, precision):
    with pytest.raises(InvalidArgumentError, match=r"precision is .* above 0"):
        latency_ratio(*files, precision=precision)


@pytest.mark.slow
def test_a_file_takes_as_long_as_itself_beside_a_busy_core(files):
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = latency_ratio(files[1], files[1])
    finally:
        hog.kill()
        hog.wait()
    # `tests/benchmarks/latency_trust.py` has the tight limits, for a quiet machine.
    assert abs(found.ratio - 1) < 0.1


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
