"""Keeps what native code prints off the terminal."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO


class Noise:
    """What was printed while `captured_output` was open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def last_line(self) -> str:
        """Returns the last line that is not blank, or an empty string."""
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - 10_000))
        lines = self._file.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


@contextmanager
def captured_output() -> Iterator[Noise]:
    """Captures descriptors 1 and 2: no log level silences the converter's C++ code.

    Warnings of its Python code are dropped: a notebook shows them by other ways.
    """
    logger = logging.getLogger("absl")
    level = logger.level
    with tempfile.TemporaryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        _flush()
        saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
        try:
            for descriptor, _ in saved:
                os.dup2(file.fileno(), descriptor)
            yield Noise(file)
        finally:
            _flush()
            logger.setLevel(level)
            for descriptor, copy in saved:
                os.dup2(copy, descriptor)
                os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.flush()
