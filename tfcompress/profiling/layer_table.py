"""What layers cost on LiteRT by their numbers of channels: measured once, looked up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.profiling.latency import measure_together
from tfcompress.profiling.layer_file import LayerShape, build_layer_file

_SHARES = (1 / 8, 1 / 4, 1 / 2)  # besides the whole
_STEP = 8
_FILES_A_CHILD = 200
_NUM_BLOCKS = 20


@dataclass(frozen=True)
class WholeLayer:
    """A layer with the channels that it has before any is removed.

    Args:
      shape: the layer.
      num_inputs: input channels.
      num_outputs: output channels; of a depthwise layer a multiple of the inputs.
    """

    shape: LayerShape
    num_inputs: int
    num_outputs: int

    def grid(self) -> tuple[list[int], list[int]]:
        """Returns the numbers of input and of output channels to be measured."""
        inputs = _grid(self.num_inputs, self.shape.groups)
        if self.shape.op == "DEPTHWISE_CONV_2D":
            # Inputs and outputs are the same channels: one axis tells all.
            return [self.num_inputs], _grid(self.num_outputs, self._multiplier)
        return inputs, _grid(self.num_outputs, self.shape.groups)

    def build(self, num_inputs: int, num_outputs: int) -> bytes:
        """Returns the .tflite file of the layer with other numbers of channels."""
        if self.shape.op == "DEPTHWISE_CONV_2D":
            num_inputs = num_outputs // self._multiplier
        return build_layer_file(self.shape, num_inputs, num_outputs)

    @property
    def _multiplier(self) -> int:
        return self.num_outputs // self.num_inputs


def _grid(whole: int, divisor: int) -> list[int]:
    """Returns numbers of channels up to the whole, in multiples of the divisor."""
    step = divisor if divisor > 1 else min(_STEP, whole)
    counts = {max(step, round(whole * share / step) * step) for share in _SHARES}
    return sorted({count for count in counts if count < whole} | {whole})


@dataclass(frozen=True, eq=False)
class Times:
    """Milliseconds of one layer at some numbers of channels.

    Args:
      inputs: numbers of input channels, rising.
      outputs: numbers of output channels, rising.
      latency_ms: (inputs, outputs) times.
    """

    inputs: list[int]
    outputs: list[int]
    latency_ms: np.ndarray

    def at(self, num_inputs: float, num_outputs: float) -> float:
        """Returns the time between what was measured; outside, that at the border."""
        each = [np.interp(num_outputs, self.outputs, row) for row in self.latency_ms]
        return float(np.interp(num_inputs, self.inputs, each))


@dataclass(frozen=True, eq=False)
class LayerTable:
    """The times of layers on LiteRT, each alone in an int8 file, on one thread.

    Args:
      times: of each layer.

    Example:
      >>> layer = WholeLayer(LayerShape("CONV_2D", (14, 14)), 96, 576)
      >>> LayerTable.measure([layer]).latency_ms(layer, 48, 300)
    """

    times: Mapping[WholeLayer, Times]

    @classmethod
    def measure(cls, layers: Iterable[WholeLayer]) -> LayerTable:
        """Returns a table of layers, of each the whole, a half, a quarter, an eighth.

        Raises:
          ModelError: LiteRT cannot run one of them.
        """
        wanted = [
            (layer, point)
            for layer in dict.fromkeys(layers)
            for point in product(*layer.grid())
        ]
        measured: dict[WholeLayer, list[float]] = {}
        with tempfile.TemporaryDirectory() as folder:
            for start in range(0, len(wanted), _FILES_A_CHILD):
                part = wanted[start : start + _FILES_A_CHILD]
                paths = []
                for number, (layer, point) in enumerate(part):
                    paths.append(Path(folder) / f"{number}.tflite")
                    paths[-1].write_bytes(layer.build(*point))
                found = measure_together(paths, num_blocks=_NUM_BLOCKS)
                for (layer, _), latency_ms in zip(part, found, strict=True):
                    measured.setdefault(layer, []).append(latency_ms)
        grids = {layer: layer.grid() for layer in measured}
        return cls(
            {
                layer: Times(*grid, np.reshape(measured[layer], [len(x) for x in grid]))
                for layer, grid in grids.items()
            }
        )

    def latency_ms(
        self, layer: WholeLayer, num_inputs: float, num_outputs: float
    ) -> float:
        """Returns the milliseconds of a layer with some of its channels."""
        return self.times[layer].at(num_inputs, num_outputs)

    def to_list(self) -> list[dict[str, Any]]:
        """Returns the table as JSON values."""
        return [
            {
                **asdict(layer.shape),
                "inputs": times.inputs,
                "outputs": times.outputs,
                "latency_ms": times.latency_ms.tolist(),
            }
            for layer, times in self.times.items()
        ]
