"""Ctrl-C, SIGTERM and SIGHUP: stop soon, however deep in native code the program is."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked the program to stop; no `except Exception` catches it."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def stoppable(grace_seconds: float = 8.0) -> Iterator[None]:
    """Raises `Stopped` in the block when a signal comes.

    A second signal ends the process at once, and so does the end of `grace_seconds`:
    Python hears of a signal only between two of its own instructions, and one call
    into TensorFlow's converter may take longer. Nothing is lost, since files are
    written whole or not at all.
    """
    heard, tell = os.pipe()
    os.set_blocking(tell, False)
    before = {number: signal.signal(number, _stop) for number in _SIGNALS}
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(heard, grace_seconds), daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(tell)


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


def _watch(heard: int, grace_seconds: float) -> None:
    """Ends the process some time after the first signal; runs in its own thread."""
    first = os.read(heard, 1)
    if first:
        again, _, _ = select.select([heard], [], [], grace_seconds)
        if not again or os.read(heard, 1):
            os._exit(128 + first[0])
    os.close(heard)
