"""Profile: what a model holds and costs, layer by layer; no TensorFlow needed here."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling.arenas import Arena
from tfcompress.profiling.counts import LayerProfile, Totals, gzip_size
from tfcompress.profiling.memory_plan import MemoryPlan
from tfcompress.profiling.runtime_ops import RuntimeOp

if TYPE_CHECKING:
    from tfcompress.profiling.roofline import Roofline

__all__ = [
    "LayerProfile",
    "Profile",
    "Totals",
    "csv_cell",
    "gzip_size",
    "profile",
    "shape_text",
    "visible_text",
]

LAYER_COLUMNS = (
    *("name", "type", "output_shape", "dtype", "params", "nonzero_params"),
    *("sparsity", "num_values", "num_channel_values", "macs", "flops"),
    *("read_bytes", "written_bytes", "intensity", "live_bytes"),
)

_NOT_TIMED = "it was not timed: only .tflite files are run; export the model to time it"


@dataclass(frozen=True)
class Profile:
    """What a model holds and costs.

    Args:
      source: path of the file, or name of the live model.
      format: `keras` or `tflite`.
      totals: of the whole model.
      layers: in order of execution.
      memory: of activations over the run; None where sizes are open.
      arenas: memory that runtimes allocate for a .tflite file, where it was measured.
      runtime_ops: times by LiteRT's own operators, where they were measured.
      roofline: of this machine, where it was asked for.
      notes: what was not counted or not measured, and why; a sentence each.

    Example:
      >>> tfc.profile("model.tflite").totals.macs
      >>> Path("profile.json").write_text(tfc.profile(model).to_json())
    """

    source: str
    format: Literal["keras", "tflite"]
    totals: Totals
    layers: tuple[LayerProfile, ...]
    memory: MemoryPlan | None = None
    arenas: tuple[Arena, ...] = ()
    runtime_ops: tuple[RuntimeOp, ...] = ()
    roofline: Roofline | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return {
            "source": self.source,
            "format": self.format,
            "totals": self.totals.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
            "memory": self.memory.to_dict() if self.memory else None,
            "arenas": [arena.to_dict() for arena in self.arenas],
            "runtime_ops": [op.to_dict() for op in self.runtime_ops],
            "roofline": self._roofline_dict(),
            "notes": list(self.notes),
        }

    def _roofline_dict(self) -> dict[str, Any] | None:
        if self.roofline is None:
            return None
        placed = [self.roofline.place(layer) for layer in self.layers]
        return {
            **self.roofline.to_dict(),
            "layers": [each._asdict() for each in placed],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Profile:
        """Returns the profile that `to_dict` wrote."""
        from tfcompress.profiling.roofline import Roofline

        memory, roofline = values["memory"], values["roofline"]
        return cls(
            source=values["source"],
            format=values["format"],
            totals=Totals.from_dict(values["totals"]),
            layers=tuple(LayerProfile.from_dict(each) for each in values["layers"]),
            memory=MemoryPlan.from_dict(memory) if memory else None,
            arenas=tuple(Arena(**arena) for arena in values["arenas"]),
            runtime_ops=tuple(RuntimeOp(**op) for op in values["runtime_ops"]),
            roofline=Roofline.from_dict(roofline) if roofline else None,
            notes=tuple(values["notes"]),
        )

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
        live_bytes = self.memory.live_bytes if self.memory else ()
        for layer, live in zip_longest(self.layers, live_bytes):
            row = {
                **layer.to_dict(),
                "source": self.source,
                "output_shape": shape_text(layer.output_shape),
                "live_bytes": live,
            }
            writer.writerow({name: csv_cell(value) for name, value in row.items()})
        return text.getvalue()


def profile(
    model_or_path: Any,
    *,
    latency: bool = True,
    num_threads: int = 1,
    batch_size: int = 1,
    roofline: bool = False,
) -> Profile:
    """Profiles a live Keras model, a Keras file or a .tflite file.

    Counts are of one run: of one example, but for a live model or .tflite file with a
    larger batch fixed in it, which a note tells; energy is of one example always.
    Counts of a .tflite file are of its operators, whose tensors are of the types that
    the runtime computes with; those of a Keras model of its layers, each
    run for itself.

    Args:
      model_or_path: a Functional or Sequential model of tf_keras or Keras 3, or the
        path of a file; its bytes, not its name, tell a .tflite file from a Keras one.
      latency: whether a .tflite file is run: timed, in all and by operator, and asked
        for the memory that runtimes allocate, and for the energy where the processor
        counts it. Keras models are never run, as nothing would run them this way.
      num_threads: threads of the LiteRT interpreter that is timed.
      batch_size: examples in a run that is timed.
      roofline: whether this machine is measured, which takes two seconds once, to say
        whether memory or arithmetic bounds a layer.

    Returns:
      Counts per layer and in total, the file's bytes and, for .tflite, its latency.

    Raises:
      InvalidArgumentError: `num_threads` or `batch_size` is below 1.
      ModelError: the file cannot be read, or the model has no graph to count on.

    Example:
      >>> tfc.profile("model.tflite", num_threads=2).totals.latency_ms["p50"]
    """
    if num_threads < 1 or batch_size < 1:
        raise InvalidArgumentError(
            f"num_threads is {num_threads} and batch_size {batch_size}; expected at "
            "least 1 of each"
        )
    return with_options(
        _counted(model_or_path), latency, num_threads, batch_size, roofline
    )


def with_options(
    found: Profile, latency: bool, num_threads: int, batch_size: int, roofline: bool
) -> Profile:
    """Returns a profile with what `profile` measures beside its counts.

    Args:
      found: the counts.
      latency: see `profile`, likewise the others.
      num_threads: 1 or more.
      batch_size: 1 or more.
      roofline: whether this machine is measured.
    """
    if latency and found.format == "tflite":
        from tfcompress.profiling.measured import with_measurements

        found = with_measurements(found, num_threads, batch_size)
    elif latency:
        found = replace(found, notes=(*found.notes, _NOT_TIMED))
    if roofline:
        from tfcompress.profiling.roofline import Roofline

        found = replace(found, roofline=Roofline.measure(num_threads))
    return found


def _counted(model_or_path: Any) -> Profile:
    """Returns what can be told without running anything."""
    if not isinstance(model_or_path, (str, os.PathLike)):
        from tfcompress.profiling.keras_model import profile_keras_model

        return profile_keras_model(model_or_path)
    path = Path(model_or_path)
    from tfcompress.profiling.tflite_graph import is_tflite

    if is_tflite(path):
        from tfcompress.profiling.tflite_file import profile_tflite

        return profile_tflite(path)
    from tfcompress.loading import load_model
    from tfcompress.profiling.keras_model import profile_keras_model

    # Counts need no comparison of outputs, which takes as long as all the rest.
    return profile_keras_model(load_model(path, check_outputs=False), path)


def shape_text(shape: Iterable[int | None]) -> str:
    """Returns a shape for people: `28x28x8`, with `?` where the size is open."""
    return "x".join("?" if side is None else str(side) for side in shape)


def visible_text(text: str) -> str:
    r"""Returns a name with what a terminal would obey spelled out, such as `\x1b`."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def csv_cell(value: Any) -> Any:
    """Returns a cell that a spreadsheet shows and does not execute as a formula."""
    if not isinstance(value, str):
        return value
    guard = "'" if value.startswith(("=", "+", "-", "@", "\t")) else ""
    return guard + visible_text(value)
