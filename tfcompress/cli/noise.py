"""Keeps the chatter of TensorFlow and its converters apart from our own words."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from tfcompress.storage import writing


class Terminal(NamedTuple):
    """The standard output and standard error that the user sees."""

    out: IO[str]
    err: IO[str]


@contextmanager
def noise_to(path: Path | None) -> Iterator[Terminal]:
    """Sends all that is printed in the block to a file, but for the given streams.

    No log level silences TensorFlow's C++ code, nor its converter, which writes to
    standard output: descriptors 1 and 2 themselves are turned away.

    Args:
      path: file to append to, made with its folder; None drops the noise.

    Raises:
      WorkdirError: the file cannot be written.
    """
    with ExitStack() as stack:
        if path is None:
            log = stack.enter_context(Path(os.devnull).open("ab"))
        else:
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                log = stack.enter_context(path.open("ab"))
        _flush()
        real = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
        out, err = (
            stack.enter_context(os.fdopen(copy, "w", buffering=1, errors="replace"))
            for _, copy in real
        )
        for descriptor, _ in real:
            os.dup2(log.fileno(), descriptor)
        try:
            yield Terminal(out, err)
        finally:
            _flush()
            for descriptor, copy in real:
                os.dup2(copy, descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.flush()
