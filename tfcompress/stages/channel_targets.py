"""What channel pruning aims at: a fraction of a model, or what its file costs."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tf_keras as keras

from tfcompress.channels.removal import Removable
from tfcompress.channels.selection import TOLERANCE, Measure
from tfcompress.errors import ModelError
from tfcompress.export.tflite import export_tflite
from tfcompress.profiling.latency import measure_together
from tfcompress.quantization.apply import fake_quantize, layers_without_int8
from tfcompress.quantization.calibration import calibrate
from tfcompress.run import Run, derive_seed
from tfcompress.stages.channel_latency import ChannelLatency
from tfcompress.storage import write_json

# For the ranges of a file that is built to be weighed and timed, not to be right.
_NUM_IMAGES = 8
# Returns which groups are kept, so that a cost comes down to a target.
# Of a cost, its target, and what it should not be below.
Choose = Callable[[Measure, float, float | None], np.ndarray]


def _channels(removable: Removable, keep: np.ndarray) -> float:
    return float(sum(keep[k.outputs].sum() for k in removable.cost.kernels))


FRACTIONS: dict[str, Callable[[Removable, np.ndarray], float]] = {
    "channels": _channels,
    "macs": lambda removable, keep: removable.cost.macs(keep),
    "params": lambda removable, keep: removable.cost.params(keep),
}


class Choice(NamedTuple):
    """What is kept of a model, and what that costs."""

    keep: np.ndarray
    cost: float


class Target(ABC):
    """A cost of models, and how to get it down.

    Attributes:
      whole: cost of the model before anything is removed.
      goal: what it is to come down to.
      lowest: below that, more was removed than was asked for.
    """

    whole: float
    goal: float
    lowest: float

    @abstractmethod
    def choose(self, removable: Removable, choose: Choose, target: float) -> Choice:
        """Returns what to keep; it costs more than the target if nothing reaches it.

        Args:
          removable: the model, or what became of it on the way to the goal.
          choose: what gets a cost that can be computed down.
          target: on the way to the goal, or the goal.
        """

    @abstractmethod
    def text(self, cost: float) -> str:
        """Returns a cost for an error message."""


class FractionTarget(Target):
    """A fraction of the channels, multiply-accumulates or parameters, by arithmetic.

    Args:
      kind: one of `FRACTIONS`.
      fraction: of it that is kept.
      removable: the model.
    """

    def __init__(self, kind: str, fraction: float, removable: Removable) -> None:
        self._kind, self._cost = kind, FRACTIONS[kind]
        self.whole = self._cost(removable, removable.everything)
        self.goal = fraction * self.whole
        self.lowest = self.goal - TOLERANCE * self.whole

    def choose(self, removable: Removable, choose: Choose, target: float) -> Choice:
        """Returns what to keep."""

        def cost(keep: np.ndarray) -> float:
            return self._cost(removable, keep)

        keep = choose(cost, target, None)
        return Choice(keep, cost(keep))

    def text(self, cost: float) -> str:
        """Returns a cost for an error message."""
        return f"{self._kind} {cost / self.whole:.1%} of the model's"


class FileTarget(Target):
    """What the int8 .tflite file of a model costs: predicted, built and measured.

    The cost is taken to rise in a line with what is predicted: at first through 0 and
    the whole model, then through the whole and the last candidate that was measured.

    Args:
      goal: what the file is to cost.
      removable: the model.
      run: its data calibrates, its folder takes what was measured on the way.
    """

    # Models that are measured, besides the whole.
    num_candidates = 3

    def __init__(self, goal: float, removable: Removable, run: Run) -> None:
        self.goal, self.lowest = goal, (1 - TOLERANCE) * goal
        seed = derive_seed(run.seed, "channel_pruning")
        self._images = run.data.calibration(_NUM_IMAGES, seed).images
        self.whole = self._measure_whole(removable.model)
        self._predicted_whole = self._predict(removable, removable.everything)

    @abstractmethod
    def _measure_whole(self, model: keras.Model) -> float: ...

    @abstractmethod
    def _measure(self, model: keras.Model) -> float: ...

    @abstractmethod
    def _predict(self, removable: Removable, keep: np.ndarray) -> float: ...

    def choose(self, removable: Removable, choose: Choose, target: float) -> Choice:
        """Returns what to keep, the nearest to the target of what was measured."""
        tried: list[Choice] = []
        slope, offset = self.whole / self._predicted_whole, 0.0
        for number in range(self.num_candidates):
            # A little below, for what is predicted is not quite what comes.
            aim = target * (1 - TOLERANCE / 2 ** (number + 1))
            cost = self._line(removable, slope, offset)
            keep = choose(cost, aim, aim - TOLERANCE / 2 * target)
            if any(np.array_equal(keep, choice.keep) for choice in tried):
                break
            tried.append(Choice(keep, self._measure(removable.without(keep))))
            reached = tried[-1].cost
            if (1 - TOLERANCE) * target <= reached <= target:
                break
            gone = self._predicted_whole - self._predict(removable, keep)
            if gone > 0 and reached < self.whole:
                slope = (self.whole - reached) / gone
                offset = self.whole - slope * self._predicted_whole
        below = [choice for choice in tried if choice.cost <= target]
        if below:
            return max(below, key=lambda choice: choice.cost)
        return min(tried, key=lambda choice: choice.cost)

    def _line(self, removable: Removable, slope: float, offset: float) -> Measure:
        return lambda keep: offset + slope * self._predict(removable, keep)

    def _export(self, model: keras.Model) -> bytes:
        """Returns the file that QuantizationAware(epochs=0) and an export make."""
        quantized = fake_quantize(model, keep_float=layers_without_int8(model))
        calibrate(quantized, self._images)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            export_tflite(quantized, path, quantization="int8")
            return path.read_bytes()


class SizeTarget(FileTarget):
    """Bytes of the int8 file: a byte a weight, 12 for what each output channel has."""

    # Bias 4, its scale 4, scale 4; slimmed files share the zero points.
    bytes_a_channel = 12

    def _measure_whole(self, model: keras.Model) -> float:
        return self._measure(model)

    def _measure(self, model: keras.Model) -> float:
        return len(self._export(model))

    def text(self, cost: float) -> str:
        """Returns a cost for an error message."""
        return f"size_bytes {cost:.0f}"

    def _predict(self, removable: Removable, keep: np.ndarray) -> float:
        return sum(
            kernel.num_weights(keep)
            + self.bytes_a_channel * int(keep[kernel.outputs].sum())
            for kernel in removable.cost.kernels
        )


class LatencyTarget(FileTarget):
    """Milliseconds of the int8 file on LiteRT, on one thread.

    A candidate runs in blocks that alternate with the whole model's, and its time is
    its share of the whole's, as first measured: what else the machine does then
    cancels out.

    The table of the layers' times is `layer_latency.json` in the stage's folder.
    """

    num_candidates = 5

    def __init__(self, goal: float, removable: Removable, run: Run) -> None:
        self._layers = ChannelLatency(removable)
        super().__init__(goal, removable, run)
        table = {"layers": self._layers.table.to_list()}
        write_json(run.stage_dir / "layer_latency.json", table)

    def _measure_whole(self, model: keras.Model) -> float:
        self._file = self._export(model)
        (latency_ms,) = self._times([self._file])
        return latency_ms

    def _measure(self, model: keras.Model) -> float:
        whole, latency_ms = self._times([self._file, self._export(model)])
        return self.whole * latency_ms / whole

    def text(self, cost: float) -> str:
        """Returns a cost for an error message."""
        return f"latency_ms {cost:.4g}"

    def _times(self, files: list[bytes]) -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}.tflite" for number in range(len(files))]
            for path, content in zip(paths, files, strict=True):
                path.write_bytes(content)
            return measure_together(paths)

    def _predict(self, removable: Removable, keep: np.ndarray) -> float:
        return self._layers.latency_ms(removable, keep)


MEASURED: dict[str, type[FileTarget]] = {
    "size_bytes": SizeTarget,
    "latency_ms": LatencyTarget,
}


def is_target(target: Mapping[str, Any]) -> bool:
    """Returns whether this is one kind of target with a value that it can have."""
    if len(target) != 1:
        return False
    ((kind, value),) = target.items()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return (
        0
        < value
        < {**dict.fromkeys(FRACTIONS, 1), **dict.fromkeys(MEASURED, inf)}.get(kind, 0)
    )


def make_target(kind: str, value: float, removable: Removable, run: Run) -> Target:
    """Returns a target for a model; measures what it costs as it is.

    Args:
      kind: one of `FRACTIONS` or `MEASURED`.
      value: what is kept.
      removable: the model.
      run: of the stage.

    Raises:
      ModelError: the model costs no more than that as it is.
    """
    if kind in FRACTIONS:
        return FractionTarget(kind, value, removable)
    target = MEASURED[kind](value, removable, run)
    if target.whole <= value:
        raise ModelError(
            f"the int8 file of {removable.model.name!r} has a {kind} of "
            f"{target.whole:.6g} as it is; ask for less than that, or leave "
            "ChannelPruning out"
        )
    return target
