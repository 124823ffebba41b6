"""Profile: what a model holds and costs, layer by layer; no TensorFlow needed here."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

LAYER_COLUMNS = (
    "name",
    "type",
    "output_shape",
    "params",
    "nonzero_params",
    "sparsity",
    "macs",
)


@dataclass(frozen=True)
class LayerProfile:
    """What one layer, or one operator of a .tflite file, holds and costs.

    Args:
      name: as in the model; a nested model's layers are `outer/inner`.
      type: class of the layer or name of the operator, such as `Conv2D`.
      output_shape: without the batch, such as (height, width, channels).
      params: all weights, biases and statistics.
      nonzero_params: those of them that are not zero.
      macs: multiply-accumulates for one example, padding counted.
      kernel_params: weights that are multiplied with activations, which is what
        pruning can touch: kernels, and neither biases nor normalisation.
      nonzero_kernel_params: those of them that are not zero.
    """

    name: str
    type: str
    output_shape: tuple[int | None, ...]
    params: int
    nonzero_params: int
    macs: int
    kernel_params: int = 0
    nonzero_kernel_params: int = 0

    @property
    def sparsity(self) -> float:
        """Share of zeros among `kernel_params`, in [0, 1]; 0 without a kernel."""
        return _sparsity(self.kernel_params, self.nonzero_kernel_params)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields and the sparsity as JSON values."""
        return {
            **asdict(self),
            "output_shape": list(self.output_shape),
            "sparsity": self.sparsity,
        }


@dataclass(frozen=True)
class Totals:
    """What the whole model holds and costs; None where it was not measured.

    Args:
      params: all weights, biases and statistics.
      trainable_params: those that training changes; None for a .tflite file.
      nonzero_params: those of `params` that are not zero.
      macs: multiply-accumulates for one example.
      sparsity: share of zeros among all kernels, in [0, 1].
      size_bytes: of the file.
      gzip_bytes: of the file through gzip, level 9.
      latency_ms: p10, p50, p90 for one example, with num_runs and num_threads.
    """

    params: int
    trainable_params: int | None
    nonzero_params: int
    macs: int
    sparsity: float
    size_bytes: int | None = None
    gzip_bytes: int | None = None
    latency_ms: Mapping[str, float] | None = None

    @classmethod
    def of(
        cls,
        layers: Iterable[LayerProfile],
        *,
        trainable_params: int | None = None,
        path: str | os.PathLike[str] | None = None,
        latency_ms: Mapping[str, float] | None = None,
    ) -> Totals:
        """Adds up `layers`, and weighs the file at `path`."""
        layers = tuple(layers)
        size_bytes, gzip_bytes = (None, None) if path is None else file_sizes(path)
        return cls(
            params=sum(layer.params for layer in layers),
            trainable_params=trainable_params,
            nonzero_params=sum(layer.nonzero_params for layer in layers),
            macs=sum(layer.macs for layer in layers),
            sparsity=_sparsity(
                sum(layer.kernel_params for layer in layers),
                sum(layer.nonzero_kernel_params for layer in layers),
            ),
            size_bytes=size_bytes,
            gzip_bytes=gzip_bytes,
            latency_ms=latency_ms,
        )


@dataclass(frozen=True)
class Profile:
    """What a model holds and costs.

    Args:
      source: path of the file, or name of the live model.
      format: `keras` or `tflite`.
      totals: of the whole model.
      layers: in order of execution.

    Example:
      >>> tfc.profile("model.tflite").totals.macs
      >>> Path("profile.json").write_text(tfc.profile(model).to_json())
    """

    source: str
    format: Literal["keras", "tflite"]
    totals: Totals
    layers: tuple[LayerProfile, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns `source`, `format`, `totals` and `layers` as JSON values."""
        latency_ms = self.totals.latency_ms
        totals = {field: getattr(self.totals, field) for field in vars(self.totals)}
        return {
            "source": self.source,
            "format": self.format,
            "totals": {
                **totals,
                "latency_ms": None if latency_ms is None else dict(latency_ms),
            },
            "layers": [layer.to_dict() for layer in self.layers],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Profile:
        """Returns the profile that `to_dict` wrote."""
        layers = []
        for layer in values["layers"]:
            given = {key: value for key, value in layer.items() if key != "sparsity"}
            given["output_shape"] = tuple(given["output_shape"])
            layers.append(LayerProfile(**given))
        totals = Totals(**values["totals"])
        return cls(values["source"], values["format"], totals, tuple(layers))

    def to_json(self) -> str:
        """Returns `to_dict` as an indented JSON document."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_csv(self) -> str:
        """Returns one line a layer under a line of column names.

        Text that a spreadsheet would take for a formula gets a leading apostrophe, and
        control characters are spelled out, since names come from files.
        """
        text = io.StringIO()
        writer = csv.DictWriter(
            text, ("source", *LAYER_COLUMNS), extrasaction="ignore", lineterminator="\n"
        )
        writer.writeheader()
        for layer in self.layers:
            row = {
                **layer.to_dict(),
                "source": self.source,
                "output_shape": shape_text(layer.output_shape),
            }
            writer.writerow({name: _cell(value) for name, value in row.items()})
        return text.getvalue()


def profile(
    model_or_path: Any, *, latency: bool = True, num_threads: int = 1
) -> Profile:
    """Profiles a live Keras model, a Keras file or a .tflite file.

    Args:
      model_or_path: a Functional or Sequential model of tf_keras or Keras 3, or the
        path of a file; its bytes, not its name, tell a .tflite file from a Keras one.
      latency: whether to time a .tflite file; Keras models are never timed, as
        nothing would run them this way.
      num_threads: threads of the LiteRT interpreter that is timed.

    Returns:
      Counts per layer and in total, the file's bytes and, for .tflite, its latency.

    Raises:
      ModelError: the file cannot be read, or the model has no graph to count on.

    Example:
      >>> tfc.profile("model.tflite", num_threads=2).totals.latency_ms["p50"]
    """
    if not isinstance(model_or_path, (str, os.PathLike)):
        from tfcompress.profiling.keras_model import profile_keras_model

        return profile_keras_model(model_or_path)
    path = Path(model_or_path)
    from tfcompress.profiling.tflite_graph import is_tflite

    if is_tflite(path):
        from tfcompress.profiling.tflite_file import profile_tflite

        return profile_tflite(path, latency=latency, num_threads=num_threads)
    from tfcompress.loading import load_model
    from tfcompress.profiling.keras_model import profile_keras_model

    return profile_keras_model(load_model(path), path)


def file_sizes(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Returns the bytes of a file, and those it takes through gzip, level 9."""
    content = Path(path).read_bytes()
    return len(content), gzip_size(content)


def gzip_size(content: bytes) -> int:
    """Returns the bytes that `content` takes through gzip, level 9."""
    return len(gzip.compress(content, compresslevel=9, mtime=0))


def shape_text(shape: Iterable[int | None]) -> str:
    """Returns a shape for people: `28x28x8`, with `?` where the size is open."""
    return "x".join("?" if side is None else str(side) for side in shape)


def visible_text(text: str) -> str:
    r"""Returns a name with what a terminal would obey spelled out, such as `\x1b`."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def _cell(value: Any) -> Any:
    """Returns a cell that a spreadsheet shows and does not execute as a formula."""
    if not isinstance(value, str):
        return value
    guard = "'" if value.startswith(("=", "+", "-", "@", "\t")) else ""
    return guard + visible_text(value)


def _sparsity(params: int, nonzero_params: int) -> float:
    return 1 - nonzero_params / params if params else 0.0
