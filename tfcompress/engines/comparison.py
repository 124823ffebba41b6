"""compare_engines: one .tflite file, timed and scored on several engines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfcompress.engines.onnx_file import write_onnx
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.profiling.latency import Latency, measure_latency
from tfcompress.profiling.litert import LITERT, Engine
from tfcompress.profiling.tflite_graph import read_tflite

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset
    from tfcompress.training.progress import Progress

_WORKER = Path(__file__).with_name("worker.py")
# The packages of each engine, with which its versions are told.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "litert": ("ai-edge-litert",),
    "onnxruntime": ("onnxruntime", "tf2onnx"),
    "openvino": ("openvino",),
}


@dataclass(frozen=True)
class EngineResult:
    """What one engine makes of a file; figures that are not known are None.

    Args:
      engine: one of `litert`, `onnxruntime` and `openvino`.
      missing: why it has no figures: not installed, or it cannot run the file.
      versions: of its packages, by name.
      latency: of one image, measured as `tfc.profile` measures it.
      top1: share of the test images, in [0, 1], whose class gets the largest output.
      agreement: share of the test images, in [0, 1], to which LiteRT gives the same
        class.
      max_difference: largest distance of an output from LiteRT's.
      max_steps: the same in steps of an integer output.
    """

    engine: str
    missing: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    latency: Latency | None = None
    top1: float | None = None
    agreement: float | None = None
    max_difference: float | None = None
    max_steps: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        latency = None if self.latency is None else self.latency.to_dict()
        return {**asdict(self), "latency": latency}


def compare_engines(
    path: str | Path,
    data: Dataset | None = None,
    engines: Sequence[str] = tuple(PACKAGES),
    num_threads: int = 1,
    progress: Progress | None = None,
) -> tuple[EngineResult, ...]:
    """Times and scores a .tflite file on LiteRT, ONNX Runtime and OpenVINO.

    All are asked for one image at a time, held to as many cores as they have threads,
    and warmed up alike. ONNX Runtime runs what tf2onnx makes of the file. OpenVINO
    reads it as it is, and is asked to compute float32 as such.

    Args:
      path: of the file: an image goes in, logits come out.
      data: its test split is what they are scored on; None times them only.
      engines: which; one that is not installed, or cannot run the file, is told so.
      num_threads: of each engine.
      progress: where to tell what takes long; None is silent.

    Raises:
      InvalidArgumentError: an engine is not known, or named twice.
      ModelError: the file cannot be read, does not fit the data, or LiteRT, which the
        others are compared with, cannot run it.

    Example:
      >>> for result in tfc.compare_engines("model.tflite", data):
      ...     print(result.engine, result.missing or result.latency.p50)
    """
    engines = tuple(engines)
    known = set(engines) <= set(PACKAGES)
    if not engines or not known or len(set(engines)) < len(engines):
        raise InvalidArgumentError(
            f"engines={engines!r}; expected different names of {', '.join(PACKAGES)}"
        )
    reference = _Reference.of(Path(path), data, progress)
    results = []
    for name in engines:
        if progress is not None:
            scored = "" if data is None else f", {len(data.test):,} test images"
            progress.message(f"{name}: latency{scored}")
        results.append(_result(name, reference, num_threads))
    return tuple(results)


@dataclass(frozen=True, eq=False)
class _Reference:
    """The file, what it is scored on, and what LiteRT answers."""

    path: Path
    step: float | None
    data: Dataset | None
    logits: npt.NDArray[np.float32] | None
    progress: Progress | None

    @classmethod
    def of(
        cls, path: Path, data: Dataset | None, progress: Progress | None
    ) -> _Reference:
        graph = read_tflite(path)[0]
        if (len(graph.inputs), len(graph.outputs)) != (1, 1):
            raise ModelError(
                f"{path} has {len(graph.inputs)} inputs and {len(graph.outputs)} "
                "outputs; expected one of each, as of a classifier"
            )
        (output,) = graph.outputs
        is_integer = output.dtype.startswith(("int", "uint")) and len(output.scales)
        step = float(output.scales[0]) if is_integer else None
        logits = None if data is None else _logits(path, data, LITERT, progress)
        return cls(path, step, data, logits, progress)

    def scores(self, engine: Engine) -> dict[str, Any]:
        """Returns fields of `EngineResult`; none where there is no data."""
        if self.data is None or self.logits is None:
            return {}
        from tfcompress.quality.accuracy import accuracy, agreement

        logits = self.logits
        if engine is not LITERT:
            logits = _logits(self.path, self.data, engine, self.progress)
        difference = float(np.abs(logits - self.logits).max())
        return {
            "top1": accuracy(logits, self.data.test.labels).top1,
            "agreement": agreement(logits, self.logits),
            "max_difference": difference,
            "max_steps": None if self.step is None else round(difference / self.step),
        }


def _logits(
    path: Path, data: Dataset, engine: Engine, progress: Progress | None
) -> npt.NDArray[np.float32]:
    # TensorFlow comes with it, which timing alone does not wait for.
    from tfcompress.quality.accuracy import predict

    return predict(path, data, progress=progress, engine=engine)


def _result(name: str, reference: _Reference, num_threads: int) -> EngineResult:
    path = reference.path
    try:
        versions = _versions(name)
        with _opened(name, path, num_threads) as engine:
            latency = measure_latency(path, num_threads, engine=engine)
            scores = reference.scores(engine)
    except ModelError as error:
        if name == "litert":
            raise
        return EngineResult(name, missing=str(error))
    return EngineResult(name, versions=versions, latency=latency, **scores)


def _versions(name: str) -> dict[str, str]:
    try:
        return {package: version(package) for package in PACKAGES[name]}
    except PackageNotFoundError as error:
        raise ModelError(
            f"{error.name} is not installed; run pip install 'tfcompress[engines]'"
        ) from None


@contextmanager
def _opened(name: str, path: Path, num_threads: int) -> Iterator[Engine]:
    """Yields the engine, and keeps what it needs of the file until it is done."""
    # Scoring too: images one by one make threads wait for each other, not work.
    settings = {"engine": name, "num_threads": num_threads}
    if name == "litert":
        yield LITERT
    elif name == "openvino":
        yield Engine("OpenVINO", _WORKER, settings)
    else:
        with tempfile.TemporaryDirectory() as folder:
            converted = Path(folder) / "model.onnx"
            write_onnx(path, converted)
            yield Engine("ONNX Runtime", _WORKER, {**settings, "onnx": str(converted)})
