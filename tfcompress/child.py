"""Calls a function in a limited process of its own, where a file can do little harm.

Whatever happens there, running out of memory, a crash in native code, no end, this
process goes on and says in one line what it was.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from tfcompress import errors
from tfcompress.errors import ModelError

_WORKER = Path(__file__).with_name("child_worker.py")
_MAX_REPLY_BYTES = 256 << 20
_MEMORY_SIGNS = (b"bad_alloc", b"MemoryError", b"OOM when", b"pthread_create() failed")


@dataclass(frozen=True)
class Limits:
    """What the child may take.

    Args:
      memory_bytes: private memory; Python with TensorFlow alone takes 0.6e9.
      cpu_seconds: processor time, of all its threads together.
      wall_seconds: time on the clock.
    """

    memory_bytes: int = 10 << 30
    cpu_seconds: int = 1200
    wall_seconds: float = 600


def call_in_child(
    function: str, *arguments: Any, subject: str, limits: Limits | None = None
) -> Any:
    """Returns what a function returns that is called in a child process.

    Args:
      function: as `package.module:name`; our own, never one that a file names.
      *arguments: JSON values.
      subject: the file it is about, for messages.
      limits: what the child may take.

    Returns:
      The result, a JSON value.

    Raises:
      TfcompressError: the one that the function raised.
      ModelError: the child crashed, or went over a limit; which one is said.

    Example:
      >>> call_in_child("tfcompress.cli.model_jobs:check", "a.keras", subject="a.keras")
    """
    limits = limits or Limits()
    job = {"function": function, "arguments": arguments, "limits": asdict(limits)}
    with tempfile.TemporaryFile() as replies, tempfile.TemporaryFile() as noise:
        # -P keeps the current folder, perhaps a stranger's, off the path of modules.
        with subprocess.Popen(
            [sys.executable, "-P", str(_WORKER), json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=replies,
            stderr=noise,
            # Looking at a model is no reason to fill a graphics card.
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        ) as child:
            try:
                child.wait(limits.wall_seconds)
            except subprocess.TimeoutExpired:
                raise _too_slow(subject, f"{limits.wall_seconds:g} s") from None
            finally:
                child.kill()
        return _result(child.returncode, replies, noise, subject, limits)


def _result(
    exit_code: int, replies: IO[bytes], noise: IO[bytes], subject: str, limits: Limits
) -> Any:
    replies.seek(0)
    content = replies.read(_MAX_REPLY_BYTES)
    reply: Any = None
    if exit_code == 0:
        # Code that was let run in the child may have written anything.
        with suppress(ValueError, RecursionError):
            reply = json.loads(content)
    if isinstance(reply, dict):
        if "result" in reply:
            return reply["result"]
        raise _raised(reply, subject, limits)
    size = noise.seek(0, os.SEEK_END)
    noise.seek(max(0, size - 2**16))
    if exit_code == -signal.SIGXCPU:
        raise _too_slow(subject, f"{limits.cpu_seconds} s of processor time")
    if any(sign in noise.read() for sign in _MEMORY_SIGNS):
        raise _too_big(subject, limits)
    how = f"ended with exit code {exit_code}"
    if exit_code < 0:
        how = f"crashed ({signal.Signals(-exit_code).name})"
    raise ModelError(
        f"cannot load {subject}: the process that read it {how}; copy the file again, "
        "or save the model again."
    )


def _raised(reply: dict[str, Any], subject: str, limits: Limits) -> Exception:
    """Returns the exception that the child reports, with its traceback as a note."""
    name, message, trace = (
        str(reply.get(key)) for key in ("error", "message", "traceback")
    )
    kind = getattr(errors, name, None)
    if name in ("MemoryError", "ResourceExhaustedError"):
        error: Exception = _too_big(subject, limits)
    elif isinstance(kind, type) and issubclass(kind, errors.TfcompressError):
        error = kind(message)
    else:
        error = ModelError(
            f"cannot load {subject}: {name}: {message}; unexpected: --debug shows where"
        )
    error.add_note(f"In the child process:\n{trace}")
    return error


def _too_big(subject: str, limits: Limits) -> ModelError:
    return ModelError(
        f"cannot load {subject}: it takes more memory than the "
        f"{limits.memory_bytes / 2**30:.1f} GiB it may have; raise --max_model_bytes "
        "if you trust the file."
    )


def _too_slow(subject: str, after: str) -> ModelError:
    return ModelError(
        f"cannot load {subject}: it was stopped after {after}; if you trust the file, "
        "load it in Python, where load_model has no such limit."
    )
