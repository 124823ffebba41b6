import pytest
import small_file
from contract import damaged_tflite

from tfcompress.errors import ModelError
from tfcompress.profiling import profile


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return damaged_tflite.small_file(tmp_path_factory.mktemp("damaged"))


def test_some_damages_are_profiled_and_some_refused(tmp_path, content):
    ends, _ = damaged_tflite.try_all(content, range(200), tmp_path)
    assert set(ends) == {"profiled", "refused"}
    assert ends.total() == 200


@pytest.mark.slow
def test_ten_thousand_damages_kill_nothing(tmp_path, content):
    ends, _ = damaged_tflite.try_all(content, range(10_000), tmp_path)
    assert ends.total() == 10_000


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 25))
def test_what_can_be_read_of_damaged_files_may_be_run(tmp_path, content, first):
    seeds = range(first, first + 25)
    flipped = damaged_tflite.flipped
    ends, _ = damaged_tflite.try_all(content, seeds, tmp_path, flipped, latency=True)
    assert {"profiled", "refused"} <= set(ends) <= {"profiled", "refused", "not run"}
    assert ends.total() == 25


STARTS = {
    "png": b"\x89PNG\r\n\x1a\n",
    "zip": b"PK\x03\x04",
    "hdf5": b"\x89HDF\r\n\x1a\n",
    "gzip": b"\x1f\x8b\x08\0",
    "elf": b"\x7fELF",
    "text": b"a model",
    "html": b"<!doctype html>",
    "empty": b"",
    "mark only": b"\0\0\0\0TFL3",
    "zeros": b"\0\0\0\0TFL3" + bytes(1000),
    "ones": b"\xff\xff\xff\xffTFL3" + b"\xff" * 1000,
}
TENTHS, SEEDS = range(1, 10), range(5)
BAD = (*STARTS, *(f"cut {n}" for n in TENTHS), *(f"flipped {n}" for n in SEEDS))


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_line_each(tmp_path, content, name):
    kind, _, number = name.partition(" ")
    path = tmp_path / "bad.tflite"
    if kind == "cut":
        path.write_bytes(content[: len(content) * int(number) // 10])
    elif kind == "flipped":
        # So many bytes that some are of its structure.
        path.write_bytes(damaged_tflite.flipped(content, int(number), 100))
    else:
        path.write_bytes(STARTS[name])
    with pytest.raises(ModelError) as caught:
        profile(path)
    message = str(caught.value)
    assert "bad.tflite" in message
    assert "\n" not in message


def test_a_sound_file_of_a_handful_of_bytes_is_profiled(tmp_path):
    path = tmp_path / "relu.tflite"
    path.write_bytes(small_file.relu_file())
    totals = profile(path, latency=False).totals
    # Six comparisons; six bytes in, six out, each tensor from a multiple of 16 on.
    assert (totals.flops, totals.macs, totals.params) == (6, 0, 0)
    assert (totals.read_bytes, totals.written_bytes) == (6, 6)
    assert totals.peak_memory_bytes == 32
