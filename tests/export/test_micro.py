import sys

import pytest
import small_file

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(small_file.relu_file())
    return path


def test_outputs_are_equal_and_the_arena_is_counted(path):
    check = tfc.check_micro(path, num_inputs=3)
    assert (check.max_difference, check.num_inputs) == (0, 3)
    # Two tensors of 6 bytes, and bookkeeping.
    assert 12 < check.arena_bytes < 10_000


def test_the_missing_package_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    with pytest.raises(ModelError, match=r"install 'tfcompress\[micro\]'"):
        tfc.check_micro(path)


def test_no_input_is_refused(path):
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        tfc.check_micro(path, num_inputs=0)


def test_a_damaged_file_is_one_line(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(small_file.relu_file()[:60])
    with pytest.raises(ModelError, match="is damaged"):
        tfc.check_micro(path)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "shufflenet_v2"])
@pytest.mark.slow
def test_networks_run_within_one_step(tmp_path, name):
    from benchmarks import file_bytes

    model = tfc.models.build(name, file_bytes.SHAPE, 10, alpha=0.1)
    file_bytes.export(model, tmp_path / "plain.tflite")
    for names in ("short", "drop"):
        path = tmp_path / f"{names}.tflite"
        tfc.slim_tflite(tmp_path / "plain.tflite", path, names)
        assert tfc.check_micro(path).max_difference <= 1


def test_nothing_in_place_of_a_file_is_one_line():
    with pytest.raises(ModelError, match="None was given; expected the path"):
        tfc.check_micro(None)
