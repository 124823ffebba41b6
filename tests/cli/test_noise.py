import os
import sys
from pathlib import Path

import pytest

from tfcompress.cli.noise import noise_to
from tfcompress.errors import WorkdirError


def test_native_output_goes_to_the_file_and_ours_to_the_terminal(tmp_path, capfd):
    log = tmp_path / "runs" / "a" / "run.log"
    for attempt in ("first", "second"):
        with noise_to(log) as terminal:
            os.write(2, f"E0000 {attempt}\n".encode())
            os.write(1, b"converter\n")
            print("result", file=terminal.out)
            print("talk", file=terminal.err)
    os.write(2, b"afterwards\n")
    captured = capfd.readouterr()
    assert captured.out == "result\nresult\n"
    assert captured.err == "talk\ntalk\nafterwards\n"
    expected = "E0000 first\nconverter\nE0000 second\nconverter\n"
    assert log.read_text() == expected


def test_descriptors_come_back_after_an_error(capfd):
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    with pytest.raises(KeyError), noise_to(None):
        os.write(2, b"dropped\n")
        raise KeyError
    print("back", file=sys.stderr, flush=True)
    assert capfd.readouterr().err == "back\n"
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(WorkdirError, match=r"cannot write .*run\.log: "),
        noise_to(tmp_path / "file" / "run.log"),
    ):
        pass
