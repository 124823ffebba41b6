import numpy as np
import pytest
from small_file import relu_file

from tfcompress.errors import ModelError
from tfcompress.profiling.layer_file import LayerShape, build_layer_file
from tfcompress.profiling.rounds import measure_in_rounds, median_of, rounds


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Convolutions over 2x2, 16x16 and 64x64 positions: 64 and 16 times the work."""
    folder = tmp_path_factory.mktemp("rounds")
    for side in (2, 16, 64):
        shape = LayerShape("CONV_2D", (side, side), (3, 3))
        (folder / f"{side}.tflite").write_bytes(build_layer_file(shape, 16, 16))
    return [folder / f"{side}.tflite" for side in (2, 16, 64)]


def test_times_are_those_of_their_files_whichever_is_opened_first(files):
    made = list(zip(range(4), rounds(files, 1, max_seconds=60), strict=False))
    for _, times in made:
        assert times.shape == (3,)
        assert 2 * times[0] < times[1] < times[2] / 2


def test_no_round_is_begun_when_the_time_is_over(files):
    assert len(list(rounds(files[:1], 1, max_seconds=0))) == 2


def test_nine_rounds_have_an_interval_of_95_percent(files):
    small, middle, large = measure_in_rounds(files, max_seconds=60)
    # Of nine rounds the second and the eighth: fewer than 2 of 9 heads are 10 in 512.
    assert (small.num_rounds, small.confidence) == (9, 1 - 2 * 10 / 512)
    assert 0 < small.low <= small.median <= small.high < middle.low
    assert middle.high < large.low
    # 64 x 64 x 9 x 16 x 16 multiply-accumulates take between 10 us and 100 ms.
    assert 0.01 < large.median < 100


def test_a_file_that_does_not_run_is_named(tmp_path, files):
    path = tmp_path / "cut.tflite"
    path.write_bytes(relu_file()[:100])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        measure_in_rounds([files[0], path], max_seconds=0)


@pytest.mark.parametrize("num_rounds", [9, 25])
def test_the_interval_covers_the_ratio_as_often_as_it_says(num_rounds):
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        # 1.2, moved by each process by some 2 %.
        found = median_of(1.2 * random.lognormal(0, 0.02, num_rounds))
        covered += found.low <= 1.2 <= found.high
    # 95.7 to 96.1 %, of 400: 384, with a standard deviation of 4.
    assert found.confidence > 0.95
    assert 368 <= covered <= 398


def test_the_interval_is_a_point_where_nothing_disturbs():
    found = median_of([1.5] * 9)
    assert (found.low, found.median, found.high) == (1.5, 1.5, 1.5)
