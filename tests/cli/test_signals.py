import signal
import subprocess
import sys
import time

import pytest

from tfcompress.cli.signals import stoppable

WAIT = """
import sys, time, hashlib
from tfcompress.cli.signals import Stopped, stoppable
def in_python():
    time.sleep(60)
def in_native_code():  # a call that lets other threads run, and hears no signal
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)
with stoppable(grace_seconds=float(sys.argv[2])):
    try:
        print("ready", flush=True)
        globals()[sys.argv[1]]()
    except Stopped as stopped:
        print(stopped, flush=True)
        sys.exit(stopped.exit_code)
"""


def start(*words):
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT, *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    return process


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_stops_python_code_in_order(number, exit_code):
    process = start("in_python", "8")
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert out == f"{number.name}\n"
    assert process.returncode == exit_code


def test_a_signal_stops_native_code_when_its_time_is_over():
    process = start("in_native_code", "0.3")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert out == ""
    assert process.returncode == 143


def test_a_second_signal_stops_native_code_at_once():
    process = start("in_native_code", "3600")
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_handlers_are_as_before_after_the_block():
    before = signal.getsignal(signal.SIGTERM)
    with stoppable():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
