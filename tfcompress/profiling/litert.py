"""Runs .tflite files in a child process, so that none can crash this one.

Of 4,000 randomly damaged files two made LiteRT crash; a stranger's may be made to.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.profiling.engine_errors import cannot_run

_TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class Engine:
    """What runs .tflite files, in a child process.

    Args:
      name: for people.
      worker: program of the child; it does what `litert_worker.py` does.
      settings: what it has to know beside its job, JSON values.
    """

    name: str
    worker: Path
    settings: Mapping[str, Any] = field(default_factory=dict)

    def measure(
        self,
        task: str,
        paths: Iterable[str | Path],
        *,
        num_threads: int,
        batch_size: int = 1,
        num_runs: int = 1,
        **settings: Any,
    ) -> Any:
        """Returns what a child process measures that is held to cores of its own.

        Args:
          task: `latency` or `energy` of one file, or `alternate`: blocks of several.
          paths: the files.
          num_threads: the engine's, and the number of cores the child is held to.
          batch_size: examples in a run; `alternate` takes the files' own.
          num_runs: of `latency`, at least; of `alternate` blocks a file, at most.
          **settings: what else the task has to know, JSON values.

        Returns:
          What the task of `litert_worker.py` replies.

        Raises:
          ModelError: a file cannot be run.
        """
        if min(num_threads, num_runs, batch_size) < 1:
            raise InvalidArgumentError(
                f"num_threads is {num_threads}, num_runs {num_runs} and batch_size "
                f"{batch_size}; expected at least 1 of each"
            )
        job: dict[str, Any] = {
            "task": task,
            "paths": [str(path) for path in paths],
            "num_threads": num_threads,
            "batch_size": batch_size,
            "num_runs": num_runs,
            **settings,
        }
        with tempfile.TemporaryFile() as errors, self._start(job, errors) as worker:
            try:
                reply, _ = worker.communicate(timeout=_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                raise ModelError(
                    f"{' or '.join(job['paths'])} ran for {_TIMEOUT_SECONDS} s without "
                    "an end; check the file, or measure a smaller model"
                ) from None
            except BaseException:
                worker.kill()
                raise
            if worker.returncode:
                raise self._failure(worker, job, errors)
            return json.loads(reply)

    def run_batches(
        self,
        path: str | Path,
        batches: Iterable[npt.NDArray[np.float32]],
        *,
        batch_size: int,
        num_threads: int | None = None,
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Yields the outputs of a .tflite file for batches of real-valued images.

        Args:
          path: the file; integer inputs are quantized, integer outputs dequantized.
          batches: arrays of shape `(num_images, height, width, channels)`.
          batch_size: images that the engine is asked to take at once.
          num_threads: the engine's; None takes every core this process may use.

        Yields:
          An array of shape `(num_images, num_classes)` for each batch.

        Raises:
          ModelError: the file cannot be run.
        """
        job = {
            "task": "predict",
            "paths": [str(path)],
            "num_threads": num_threads or _num_cores(),
            "batch_size": batch_size,
        }
        with tempfile.TemporaryFile() as errors, self._start(job, errors) as worker:
            assert worker.stdin and worker.stdout
            try:
                for batch in batches:
                    content = np.ascontiguousarray(batch, np.float32).tobytes()
                    worker.stdin.write(len(content).to_bytes(8, "little") + content)
                    worker.stdin.flush()
                    size = int.from_bytes(_read(worker.stdout, 8), "little")
                    outputs = np.frombuffer(_read(worker.stdout, size), np.float32)
                    yield outputs.reshape(len(batch), -1)
            except (BrokenPipeError, EOFError):
                raise self._failure(worker, job, errors) from None
            finally:
                worker.kill()
                # Closing flushes, which fails where the child is gone already.
                with suppress(BrokenPipeError):
                    worker.stdin.close()

    def _start(self, job: dict[str, Any], errors: IO[bytes]) -> subprocess.Popen[bytes]:
        words = [str(self.worker), json.dumps({**job, **self.settings})]
        # -P keeps its folder off the path: profile.py there would hide Python's.
        return subprocess.Popen(
            [sys.executable, "-P", *words],
            stdin=subprocess.PIPE if job["task"] == "predict" else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )

    def _failure(
        self, worker: subprocess.Popen[bytes], job: dict[str, Any], errors: IO[bytes]
    ) -> ModelError:
        worker.wait()
        errors.seek(0)
        lines = errors.read().decode("utf-8", "replace").splitlines()
        mark = "error: "
        said = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
        if worker.returncode < 0:
            said = [f"it crashed ({signal.Signals(-worker.returncode).name})"]
        elif not said:
            said = lines[-1:] or [f"it ended with exit code {worker.returncode}"]
        return cannot_run(self.name, job["paths"], said)


LITERT = Engine("LiteRT", Path(__file__).with_name("litert_worker.py"))


def _read(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content


def _num_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
