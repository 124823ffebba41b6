"""Runs .tflite files in a process of its own; started by `litert.py`.

It stands alone (numpy and LiteRT only), so that it starts in a fraction of a second,
and a damaged file that crashes LiteRT takes nothing else with it.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

ERROR_EXIT = 3
MEMORY_BYTES = 16 << 30
WARM_UP_NS = 50_000_000
BLOCK_NS = 1_000_000
MIN_RUNS = 10


class Model:
    """A .tflite file ready to run on a fixed number of images.

    What an engine adds is how it opens the file, and these three.
    """

    batch_size: int
    _input: dict[str, Any]
    _output: dict[str, Any]

    def invoke(self) -> None:
        """Runs the model on what it was given."""
        raise NotImplementedError

    def _give(self, values: np.ndarray) -> None:
        raise NotImplementedError

    def _take(self) -> np.ndarray:
        raise NotImplementedError

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return tuple(int(side) for side in self._input["shape"][1:])

    def fill(self) -> None:
        """Sets the input to seeded random values."""
        self._give(_random(self._input))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Returns the real-valued outputs, shape `(num_images, num_classes)`."""
        stored = _quantize(images, self._input)
        outputs = []
        for start in range(0, len(stored), self.batch_size):
            batch = stored[start : start + self.batch_size]
            missing = self.batch_size - len(batch)
            if missing:
                batch = np.pad(batch, [(0, missing)] + [(0, 0)] * (batch.ndim - 1))
            self._give(batch)
            self.invoke()
            outputs.append(self._taken_batch())
        stacked = np.concatenate(outputs)[: len(stored)]
        return _dequantize(stacked, self._output).reshape(len(stored), -1)

    def _taken_batch(self) -> np.ndarray:
        taken = self._take()
        if taken.shape[:1] != (self.batch_size,):
            raise ValueError(
                f"a batch of {self.batch_size} gives an output of {taken.shape}"
            )
        return taken


class LiteRTModel(Model):
    """A file that LiteRT runs.

    Args:
      path: of the file.
      batch_size: images that it is asked to take at once; `batch_size` is what it does.
        One leaves the file's own batch as it is: 1, where that is open.
      job: `num_threads`.
    """

    def __init__(self, path: str, batch_size: int, job: dict[str, Any]) -> None:
        self.batch_size = batch_size
        try:
            self._allocate(path, job["num_threads"])
        except (RuntimeError, ValueError):
            # A shape that is written into the graph (Reshape) admits one image only.
            if batch_size == 1:
                raise
            self.batch_size = 1
            self._allocate(path, job["num_threads"])

    def _allocate(self, path: str, num_threads: int) -> None:
        interpreter = Interpreter(model_path=path, num_threads=num_threads)
        self._interpreter = interpreter
        if self.batch_size > 1:
            for port in interpreter.get_input_details():
                shape = (self.batch_size, *port["shape"][1:])
                interpreter.resize_tensor_input(port["index"], shape)
        interpreter.allocate_tensors()
        self._inputs = interpreter.get_input_details()
        self._input = self._inputs[0]
        self._output = interpreter.get_output_details()[0]
        self.fill()
        self.invoke()
        if self.batch_size > 1:
            self._taken_batch()
        elif len(self._input["shape"]) > 1:
            self.batch_size = int(self._input["shape"][0])

    def fill(self) -> None:
        """Sets all inputs to seeded random values."""
        for port in self._inputs:
            self._interpreter.set_tensor(port["index"], _random(port))

    def invoke(self) -> None:
        """Runs the interpreter."""
        self._interpreter.invoke()

    def _give(self, values: np.ndarray) -> None:
        self._interpreter.set_tensor(self._input["index"], values)

    def _take(self) -> np.ndarray:
        values: np.ndarray = self._interpreter.get_tensor(self._output["index"])
        return values


def _random(port: dict[str, Any]) -> np.ndarray:
    """Returns values that an input may have."""
    dtype, shape = port["dtype"], port["shape"]
    generator = np.random.default_rng(0)
    if not np.issubdtype(dtype, np.integer):
        return np.asarray(generator.random(shape)).astype(dtype)
    limits = np.iinfo(dtype)
    # Without a scale they count something, such as rows of a table.
    low, high = (limits.min, limits.max) if port["quantization"][0] else (0, 1)
    return np.asarray(generator.integers(low, high, shape, endpoint=True)).astype(dtype)


def _quantize(values: np.ndarray, port: dict[str, Any]) -> np.ndarray:
    if not np.issubdtype(port["dtype"], np.integer):
        return values.astype(port["dtype"])
    scale, zero_point = port["quantization"]
    limits = np.iinfo(port["dtype"])
    stored = np.rint(values / np.float32(scale)) + zero_point
    clipped: np.ndarray = np.clip(stored, limits.min, limits.max)
    return clipped.astype(port["dtype"])


def _dequantize(stored: np.ndarray, port: dict[str, Any]) -> np.ndarray:
    values = stored.astype(np.float32)
    if not np.issubdtype(port["dtype"], np.integer):
        return values
    scale, zero_point = port["quantization"]
    values -= np.float32(zero_point)
    values *= np.float32(scale)
    return values


Kind = Callable[[str, int, dict[str, Any]], Model]


def pin(num_threads: int) -> list[int] | None:
    """Holds this process to its last cores; returns them, None where it cannot be."""
    with suppress(AttributeError, OSError):
        cores = sorted(os.sched_getaffinity(0))[-num_threads:]
        os.sched_setaffinity(0, cores)
        return cores
    return None


def time_runs(invoke: Callable[[], None], num_runs: int) -> float:
    """Returns the nanoseconds of one of several runs, their mean."""
    start = time.perf_counter_ns()
    for _ in range(num_runs):
        invoke()
    return (time.perf_counter_ns() - start) / num_runs


def _warm_up(invoke: Callable[[], None], nanoseconds: int) -> tuple[float, int]:
    """Runs until caches and clocks have settled; returns the fastest, and how many."""
    end = time.perf_counter_ns() + nanoseconds
    times = [time_runs(invoke, 1) for _ in range(3)]
    while time.perf_counter_ns() < end:
        times.append(time_runs(invoke, 1))
    return min(times), len(times)


def latency(job: dict[str, Any], replies: IO[bytes], kind: Kind) -> None:
    """Replies with the nanoseconds of each run of one file, and how it was run."""
    cores = pin(job["num_threads"])
    (path,) = job["paths"]
    model = kind(path, job["batch_size"], job)
    _, num_warm_up_runs = _warm_up(model.invoke, WARM_UP_NS)
    samples: list[float] = []
    elapsed, start = 0.0, time.perf_counter()
    while (len(samples) < job["num_runs"] or elapsed < job["seconds"]) and (
        len(samples) < MIN_RUNS or elapsed < job["max_seconds"]
    ):
        samples.append(time_runs(model.invoke, 1))
        elapsed = time.perf_counter() - start
    reply = {
        "samples": samples,
        "batch_size": model.batch_size,
        "num_warm_up_runs": num_warm_up_runs,
        "cores": cores,
    }
    replies.write(json.dumps(reply).encode())


def energy(job: dict[str, Any], replies: IO[bytes], kind: Kind) -> None:
    """Replies with counters right before and right after runs of one file."""
    pin(job["num_threads"])
    model = kind(job["paths"][0], job["batch_size"], job)
    fastest, _ = _warm_up(model.invoke, WARM_UP_NS)
    num_runs = 1 + int(job["seconds"] * 1e9 / fastest)
    before = [int(Path(name).read_text()) for name in job["counters"]]
    time_runs(model.invoke, num_runs)
    after = [int(Path(name).read_text()) for name in job["counters"]]
    reply = {"before": before, "after": after, "num_runs": num_runs}
    replies.write(json.dumps({**reply, "batch_size": model.batch_size}).encode())


def alternate(job: dict[str, Any], replies: IO[bytes], kind: Kind) -> None:
    """Replies with the nanoseconds a run of alternating short blocks of each file."""
    pin(job["num_threads"])
    invokes = [kind(path, 1, job).invoke for path in job["paths"]]
    fastest = [_warm_up(each, 2 * WARM_UP_NS // len(invokes))[0] for each in invokes]
    num_runs = [max(1, int(BLOCK_NS / each)) for each in fastest]
    end = time.perf_counter_ns() + job["max_seconds"] * 1e9
    shuffle = random.Random(job.get("seed", 0)).shuffle
    samples: list[list[float]] = [[] for _ in invokes]
    order = list(range(len(invokes)))
    while len(samples[0]) < job["num_runs"] and (
        len(samples[0]) < MIN_RUNS or time.perf_counter_ns() < end
    ):
        shuffle(order)
        for which in order:
            samples[which].append(time_runs(invokes[which], num_runs[which]))
    replies.write(json.dumps(samples).encode())


def predict(job: dict[str, Any], replies: IO[bytes], kind: Kind) -> None:
    """Replies to each batch of float32 images with float32 outputs, until the end."""
    (path,) = job["paths"]
    model = kind(path, job["batch_size"], job)
    requests = sys.stdin.buffer
    while header := requests.read(8):
        size = int.from_bytes(header, "little")
        images = np.frombuffer(requests.read(size), np.float32)
        outputs = model.predict(images.reshape(-1, *model.image_shape)).tobytes()
        replies.write(len(outputs).to_bytes(8, "little"))
        replies.write(outputs)
        replies.flush()


def main(kind: Kind = LiteRTModel) -> int:
    """Does the job named on the command line.

    Args:
      kind: opens a file for an engine.
    """
    # Native code prints to descriptor 1, which carries the replies: move those away.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    job = json.loads(sys.argv[1])
    tasks = {task.__name__: task for task in (latency, energy, alternate, predict)}
    try:
        tasks[job["task"]](job, replies, kind)
        replies.close()
    except (Exception, KeyboardInterrupt) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        for line in lines or [type(error).__name__]:
            print(f"\nerror: {line}", file=sys.stderr)
        return ERROR_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main())
