"""What a layer and a whole model hold and cost, in numbers."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tfcompress.profiling.energy import Energy, modelled_energy
from tfcompress.profiling.memory_plan import MemoryPlan


@dataclass(frozen=True)
class LayerProfile:
    """What one layer, or one operator of a .tflite file, holds and costs.

    Args:
      name: as in the model; a nested model's layers are `outer/inner`.
      type: class of the layer or name of the operator, such as `Conv2D`.
      output_shape: without the batch, such as (height, width, channels).
      params: all weights, biases and statistics.
      nonzero_params: those of them that are not zero.
      macs: multiply-accumulates of a run, padding counted. A run is of one example,
        unless the model or file fixes a batch; then the profile has a note.
      kernel_params: weights that are multiplied with activations, which is what
        pruning can touch: kernels, and neither biases nor normalisation.
      nonzero_kernel_params: those of them that are not zero.
      num_values: different weights of a kernel, as a .tflite file stores them; None of
        a Keras layer, or without a kernel.
      num_channel_values: likewise, in that output channel which has most.
      trainable_params: those that training changes; None for a .tflite file.
      dtype: of the activations, such as `int8`.
      flops: operations of a run: two a MAC, and one for each addition,
        comparison or function of an element beside.
      weight_bytes: of `params`, by their types.
      read_bytes: inputs and constants, each read once.
      written_bytes: outputs, each written once.
    """

    name: str
    type: str
    output_shape: tuple[int | None, ...]
    params: int
    nonzero_params: int
    macs: int
    kernel_params: int = 0
    nonzero_kernel_params: int = 0
    num_values: int | None = None
    num_channel_values: int | None = None
    trainable_params: int | None = None
    dtype: str = "float32"
    flops: int = 0
    weight_bytes: Mapping[str, int] = field(default_factory=dict)
    read_bytes: int = 0
    written_bytes: int = 0

    @property
    def sparsity(self) -> float:
        """Share of zeros among `kernel_params`, in [0, 1]; 0 without a kernel."""
        return sparsity(self.kernel_params, self.nonzero_kernel_params)

    @property
    def accessed_bytes(self) -> int:
        """Bytes that have to go between memory and processor at the least."""
        return self.read_bytes + self.written_bytes

    @property
    def intensity(self) -> float:
        """Arithmetic intensity: operations a byte that is read or written."""
        return self.flops / self.accessed_bytes if self.accessed_bytes else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, the sparsity and the intensity as JSON values."""
        return {
            **asdict(self),
            "output_shape": list(self.output_shape),
            "sparsity": self.sparsity,
            "intensity": self.intensity,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LayerProfile:
        """Returns the layer that `to_dict` wrote."""
        derived = ("sparsity", "intensity")
        given = {key: value for key, value in values.items() if key not in derived}
        return cls(**{**given, "output_shape": tuple(given["output_shape"])})


@dataclass(frozen=True)
class Totals:
    """What the whole model holds and costs; None where it was not measured.

    Args:
      params: all weights, biases and statistics.
      trainable_params: those that training changes; None for a .tflite file.
      nonzero_params: those of `params` that are not zero.
      macs: multiply-accumulates of a run; see `LayerProfile`.
      sparsity: share of zeros among all kernels, in [0, 1].
      size_bytes: of the file.
      gzip_bytes: of the file through gzip, level 9.
      latency_ms: p10, p50, p90 and mean of a run, and how they were measured.
      folded_params: those that a float32 .tflite file of the model has, where BatchNorm
        is folded into kernels and every convolution has biases; of a .tflite file
        `params`, and None where it cannot be told.
      flops: operations of a run, two a MAC.
      weight_bytes: of parameters, by their types; what is stored once counts once.
      other_bytes: of the file that are not weights: structure, names, scales.
      read_bytes: inputs and constants of all layers, each read once.
      written_bytes: outputs of all layers, each written once.
      peak_memory_bytes: of activations, as `MemoryPlan` places them.
      peak_op: the layer or operator at which most of them are alive.
      modelled_energy: of one example, from the MACs and bytes of a run.
      measured_energy: of one example, by the processor's counters, where it has some.
    """

    params: int
    trainable_params: int | None
    nonzero_params: int
    macs: int
    sparsity: float
    size_bytes: int | None = None
    gzip_bytes: int | None = None
    latency_ms: Mapping[str, Any] | None = None
    folded_params: int | None = None
    flops: int = 0
    weight_bytes: Mapping[str, int] = field(default_factory=dict)
    other_bytes: int | None = None
    read_bytes: int = 0
    written_bytes: int = 0
    peak_memory_bytes: int | None = None
    peak_op: str | None = None
    modelled_energy: Energy | None = None
    measured_energy: Energy | None = None

    @classmethod
    def of(
        cls,
        layers: Iterable[LayerProfile],
        *,
        trainable_params: int | None = None,
        folded_params: int | None = None,
        content: bytes | None = None,
        memory: MemoryPlan | None = None,
        batch_size: int = 1,
    ) -> Totals:
        """Adds up the layers of a run of `batch_size`, weighs the file's `content`."""
        layers = tuple(layers)
        weight_bytes: Counter[str] = Counter()
        for layer in layers:
            weight_bytes.update(layer.weight_bytes)
        size_bytes = None if content is None else len(content)
        return cls(
            params=sum(layer.params for layer in layers),
            trainable_params=trainable_params,
            nonzero_params=sum(layer.nonzero_params for layer in layers),
            macs=sum(layer.macs for layer in layers),
            sparsity=sparsity(
                sum(layer.kernel_params for layer in layers),
                sum(layer.nonzero_kernel_params for layer in layers),
            ),
            size_bytes=size_bytes,
            gzip_bytes=None if content is None else gzip_size(content),
            folded_params=folded_params,
            flops=sum(layer.flops for layer in layers),
            weight_bytes=dict(weight_bytes),
            other_bytes=size_bytes and max(0, size_bytes - weight_bytes.total()),
            read_bytes=sum(layer.read_bytes for layer in layers),
            written_bytes=sum(layer.written_bytes for layer in layers),
            peak_memory_bytes=memory.peak_bytes if memory else None,
            peak_op=layers[memory.peak_op].name if memory else None,
            modelled_energy=modelled_energy(
                layers, memory.peak_bytes if memory else 0, batch_size
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Totals:
        """Returns the totals that `to_dict` wrote."""
        energies = {
            name: Energy(**values[name]) if values[name] else None
            for name in ("modelled_energy", "measured_energy")
        }
        return cls(**{**values, **energies})


def batch_size_of(input_shapes: Iterable[Sequence[int | None]]) -> int:
    """Returns the examples of a run: the first side of the first input, 1 if open.

    As `litert_worker` tells them for what it measures; a vector is one example.
    """
    shape = next(iter(input_shapes), ())
    return max(1, shape[0] or 1) if len(shape) > 1 else 1


def batch_notes(batch_size: int) -> tuple[str, ...]:
    """Returns a line where counts are not of one example."""
    if batch_size == 1:
        return ()
    return (
        f"MACs, FLOPs, bytes and memory are of a run of {batch_size} examples, the "
        "batch that is fixed in it; energy is of one",
    )


def gzip_size(content: bytes) -> int:
    """Returns the bytes that `content` takes through gzip, level 9."""
    return len(gzip.compress(content, compresslevel=9, mtime=0))


def sparsity(params: int, nonzero_params: int) -> float:
    """Returns the share of zeros, in [0, 1]; 0 where there are no parameters."""
    return 1 - nonzero_params / params if params else 0.0
