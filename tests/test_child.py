import os
import subprocess
import sys
import time

import pytest

from tfcompress.child import Limits, call_in_child
from tfcompress.errors import ModelError, WorkdirError

SMALL = Limits(memory_bytes=1 << 30, cpu_seconds=20, wall_seconds=30)


def call(function, *arguments, limits=SMALL):
    return call_in_child(function, *arguments, subject="a.keras", limits=limits)


def test_the_result_comes_back_from_another_process():
    assert call("os:getpid") not in (os.getpid(), None)
    assert call("builtins:sorted", [3, 1, 2]) == [1, 2, 3]


def test_our_own_errors_come_back_as_they_are(tmp_path):
    path = str(tmp_path / "no.json")
    with pytest.raises(WorkdirError) as told:
        call("tfcompress.storage:read_json", path)
    assert str(told.value).startswith(f"cannot read {path}: No such file")
    assert "Traceback" in told.value.__notes__[0]


def test_any_other_error_is_one_line_about_the_file():
    with pytest.raises(ModelError) as told:
        call("builtins:int", "x")
    assert str(told.value).startswith(
        "cannot load a.keras: ValueError: invalid literal"
    )


@pytest.mark.parametrize(
    ("function", "arguments", "told"),
    [
        ("builtins:bytearray", [1 << 31], "more memory than the 1.0 GiB it may have"),
        ("os:abort", [], r"the process that read it crashed \(SIGABRT\)"),
        ("ctypes:string_at", [0], r"the process that read it crashed \(SIGSEGV\)"),
        ("os:_exit", [7], "the process that read it ended with exit code 7"),
        ("signal:raise_signal", [9], r"crashed \(SIGKILL\)"),
    ],
)
def test_the_parent_survives_and_says_what_happened(function, arguments, told):
    with pytest.raises(ModelError, match=told) as error:
        call(function, *arguments)
    assert str(error.value).startswith("cannot load a.keras: ")
    assert "\n" not in str(error.value)


def test_a_child_without_an_end_is_stopped_by_the_clock():
    limits = Limits(wall_seconds=0.5)
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"a\.keras: it was stopped after 0\.5 s"):
        call("time:sleep", 60, limits=limits)
    assert time.monotonic() - started < 30


def test_a_busy_child_is_stopped_by_its_processor_time():
    limits = Limits(cpu_seconds=1, wall_seconds=60)
    with pytest.raises(ModelError, match="stopped after 1 s of processor time"):
        call("builtins:pow", 3, 10**9, limits=limits)


@pytest.mark.parametrize("said", ["no JSON", "[1]", "[" * 100_000])
def test_a_reply_that_is_none_is_told(tmp_path, monkeypatch, said):
    (tmp_path / "liar.py").write_text(
        "import os\n"
        "from contextlib import suppress\n"
        "def lie():\n"
        "    for descriptor in range(3, 10):\n"
        "        with suppress(OSError):\n"
        f"            os.write(descriptor, {said!r}.encode())\n"
        "    os._exit(0)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ModelError, match="the process that read it ended with exit"):
        call("liar:lie")


def test_noise_is_no_part_of_the_reply():
    assert call("os:system", "echo noise; echo noise >&2") == 0


def test_modules_of_the_current_folder_are_not_imported(tmp_path, monkeypatch):
    (tmp_path / "resource.py").write_text("import os; os._exit(9)")
    (tmp_path / "strange.py").write_text("def ran(): return 1")
    monkeypatch.chdir(tmp_path)
    assert call("builtins:abs", -1) == 1
    with pytest.raises(ModelError, match="No module named 'strange'"):
        call("strange:ran")


def test_the_child_dies_with_its_parent(tmp_path):
    # The child writes its id, then sleeps; its parent is killed without a word.
    (tmp_path / "sleeper.py").write_text(
        "import os, pathlib, time\n"
        "def sleep(path):\n"
        "    pathlib.Path(path + '.tmp').write_text(str(os.getpid()))\n"
        "    os.replace(path + '.tmp', path)\n"
        "    time.sleep(100)\n"
    )
    told = tmp_path / "pid"
    script = (
        "from tfcompress.child import call_in_child\n"
        f"call_in_child('sleeper:sleep', {str(told)!r}, subject='x')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment)
    end = time.monotonic() + 60
    while not told.exists() and time.monotonic() < end:
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    pid = int(told.read_text())
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_running(pid)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
