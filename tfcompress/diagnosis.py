"""Diagnosis: which techniques a model can take, layer by layer, without training it."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tfcompress.errors import ModelError

if TYPE_CHECKING:
    import tf_keras as keras

    from tfcompress.loading.custom_objects import CustomObjects

TECHNIQUES = ("pruning", "channel_pruning", "clustering", "qat", "int8_export")
NOTHING_TO_DO = "-"


@dataclass(frozen=True)
class LayerDiagnosis:
    """What can be done with one layer of a model.

    Each technique has `yes`, `rewritten` and what it does to the layer first, with
    equal outputs, `no: ` and the reason, or `-` where it finds nothing to do, as
    pruning in a layer without a kernel.

    Args:
      name, type: of the layer as it is after loading.
      output_shape: without the batch, such as (height, width, channels).
      params: all weights, biases and statistics.
      pruning: zeros among single weights.
      channel_pruning: fewer channels.
      clustering: few different weights.
      qat: quantization-aware training.
      int8_export: an operator that computes in int8.
    """

    name: str
    type: str
    output_shape: tuple[int | None, ...]
    params: int
    pruning: str
    channel_pruning: str
    clustering: str
    qat: str
    int8_export: str


@dataclass(frozen=True)
class Diagnosis:
    """What can be done with a model.

    Args:
      source: path of the file, or name of the live model.
      verdict: the answer in a few sentences.
      rows: one a layer, in the order of the model.
      changes: layer and text of each rewrite that loading did.
      unchecked: why loading did not compare the outputs with those of the original;
        None where it did, or where the model is the original.

    Example:
      >>> print(tfc.diagnose("model.keras"))
      >>> [row.name for row in tfc.diagnose(model).rows if row.qat.startswith("no")]
    """

    source: str
    verdict: str
    rows: tuple[LayerDiagnosis, ...]
    changes: tuple[tuple[str, str], ...] = ()
    unchecked: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values; `layers` are the rows."""
        return {
            "source": self.source,
            "verdict": self.verdict,
            "changes": [{"layer": name, "text": text} for name, text in self.changes],
            "unchecked": self.unchecked,
            "layers": [
                {**asdict(row), "output_shape": list(row.output_shape)}
                for row in self.rows
            ],
        }

    def to_json(self) -> str:
        """Returns `to_dict` as an indented JSON document."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Diagnosis:
        """Returns the diagnosis that `to_dict` wrote."""
        rows = [
            LayerDiagnosis(**{**row, "output_shape": tuple(row["output_shape"])})
            for row in values["layers"]
        ]
        changes = [(change["layer"], change["text"]) for change in values["changes"]]
        return cls(
            source=values["source"],
            verdict=values["verdict"],
            rows=tuple(rows),
            changes=tuple(changes),
            unchecked=values["unchecked"],
        )

    def __str__(self) -> str:
        """Returns what `tfcompress doctor` prints, as wide as the terminal."""
        import shutil

        from rich.console import Console

        from tfcompress.diagnosis_table import diagnosis_table

        text = io.StringIO()
        width = shutil.get_terminal_size((120, 24)).columns
        Console(file=text, width=width).print(diagnosis_table(self, width))
        return text.getvalue().rstrip()


def diagnose(
    model_or_path: Any,
    custom_objects: CustomObjects | None = None,
    *,
    max_bytes: int | None = None,
) -> Diagnosis:
    """Says, layer by layer, which techniques a model can take, and why not.

    Nothing is trained and the model stays as it is; a large one takes seconds.

    Args:
      model_or_path: what `load_model` takes: a file, a folder or a live Keras model.
      custom_objects: as for `load_model`.
      max_bytes: as for `load_model`; None is its default.

    Returns:
      A verdict and one row a layer of the model as it is after loading.

    Raises:
      ModelError: the model cannot be loaded.

    Example:
      >>> print(tfc.diagnose("model.keras").verdict)
    """
    from tfcompress.loading.load import load

    options: dict[str, Any] = {} if max_bytes is None else {"max_bytes": max_bytes}
    loaded = load(model_or_path, custom_objects, **options)
    model = loaded.model
    is_path = isinstance(model_or_path, (str, os.PathLike))
    rows = tuple(_rows(model))
    return Diagnosis(
        source=os.fspath(model_or_path) if is_path else str(model.name),
        verdict=_verdict(model, rows),
        rows=rows,
        changes=tuple((change.layer, change.text) for change in loaded.changes),
        unchecked=loaded.unchecked,
    )


def _rows(model: keras.Model) -> Iterable[LayerDiagnosis]:
    from tfcompress.diagnosis_answers import answers

    found = answers(model)
    for layer in model.layers:
        yield LayerDiagnosis(
            name=layer.name,
            type=type(layer).__name__,
            output_shape=_first_shape(layer.get_output_shape_at(0))[1:],
            params=sum(math.prod(weight.shape) for weight in layer.weights),
            **{
                technique: found[technique].get(layer.name, NOTHING_TO_DO)
                for technique in TECHNIQUES
            },
        )


def _first_shape(shape: Any) -> tuple[int | None, ...]:
    """Returns the shape of an output, the first where a layer has several."""
    is_one = all(size is None or isinstance(size, int) for size in shape)
    return tuple(shape) if is_one else _first_shape(shape[0])


def _verdict(model: keras.Model, rows: Sequence[LayerDiagnosis]) -> str:
    kernels = [row for row in rows if row.pruning != NOTHING_TO_DO]
    pruned = [row for row in kernels if row.pruning == "yes"]
    narrowed = [row for row in kernels if row.channel_pruning.startswith("yes")]
    num_channels, num_narrowed = (
        sum(row.output_shape[-1] or 0 for row in some) for some in (kernels, narrowed)
    )
    num_params = sum(row.params for row in rows)
    share = sum(row.params for row in pruned) / max(1, num_params)
    floats = [row for row in rows if row.int8_export.startswith("no")]
    rewritten = sum(not is_plain(row.qat) for row in rows)
    sentences = [
        f"{len(rows)} layers, {num_params:,} parameters.",
        f"Pruning takes {len(pruned)} of {len(kernels)} kernels ({share:.0%} of the "
        "parameters).",
        f"Channel pruning takes {len(narrowed)} of {len(kernels)} kernels, with "
        f"{num_narrowed:,} of {num_channels:,} channels.",
    ]
    if floats:
        names = ", ".join(row.name for row in floats[:3])
        more = f" and {len(floats) - 3} more" if len(floats) > 3 else ""
        sentences.append(
            f"In int8, {_count(len(floats), 'layer')} cannot compute: {names}{more}."
        )
    else:
        sentences.append("All of it can compute in int8.")
    if rewritten:
        sentences.append(f"QAT rewrites {_count(rewritten, 'layer')} first.")
    return " ".join([*sentences, *_hurdles(model)])


def _hurdles(model: keras.Model) -> Iterable[str]:
    """Yields what keeps a model that loads from being trained or exported."""
    for what, tensors in (("input", model.inputs), ("output", model.outputs)):
        if len(tensors) > 1:
            yield (
                f"It has {len(tensors)} {what}s: recipes and stages that train want "
                "one."
            )
    if any(None in tensor.shape[1:] for tensor in model.inputs):
        yield (
            "The size of its input is open: export wants one, so load "
            "keras.Sequential([keras.Input((height, width, channels)), model])."
        )
    from tfcompress.training.logits import check_outputs_logits

    try:
        check_outputs_logits(model, "model")
    except ModelError:
        mend = "model = tf_keras.Model(model.input, model.layers[-2].output)"
        if hasattr(model.layers[-1], "activation"):
            mend = "model.layers[-1].activation = tf_keras.activations.linear"
        ends = "It ends in a softmax or a sigmoid"
        yield f"{ends}, and stages that train want logits: {mend}."


def is_plain(text: str) -> bool:
    """Returns whether an answer says nothing of what is done to the layer first."""
    return text in ("yes", NOTHING_TO_DO) or text.startswith("no: ")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
