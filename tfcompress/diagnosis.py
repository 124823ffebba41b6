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

TECHNIQUES = ("pruning", "channel_pruning", "clustering", "qat", "int8_export")
NOTHING_TO_DO = "-"
_NOT_YET = "no: not in this version"
_ALREADY = "no: it is quantized already"


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


def diagnose(model_or_path: Any, *, max_bytes: int | None = None) -> Diagnosis:
    """Says, layer by layer, which techniques a model can take, and why not.

    Nothing is trained and the model stays as it is; a large one takes seconds.

    Args:
      model_or_path: what `load_model` takes: a file, a folder or a live Keras model.
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
    loaded = load(model_or_path, **options)
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
    quantized = _quantized(model)
    channels = _channels(model)
    for layer in model.layers:
        # A shared layer may have another shape in each of its calls.
        shape = layer.get_output_shape_at(0)
        kernel = _has_kernel(layer)
        yield LayerDiagnosis(
            name=layer.name,
            type=type(layer).__name__,
            output_shape=tuple((shape[0] if isinstance(shape, list) else shape)[1:]),
            params=sum(math.prod(weight.shape) for weight in layer.weights),
            pruning=_pruning(layer) if kernel else NOTHING_TO_DO,
            channel_pruning=channels[layer.name] if kernel else NOTHING_TO_DO,
            clustering=_NOT_YET if kernel else NOTHING_TO_DO,
            qat=quantized[layer.name],
            int8_export=_int8_export(quantized[layer.name]),
        )


def _has_kernel(layer: keras.layers.Layer) -> bool:
    return any("kernel" in weight.name for weight in layer.weights)


def _pruning(layer: keras.layers.Layer) -> str:
    from tfcompress.stages.pruning import Pruning

    if type(layer).__name__.startswith("Quantize"):
        return _ALREADY
    if Pruning().suits(layer):
        return "yes"
    if Pruning(depthwise=True).suits(layer):
        return "yes, with depthwise=True"
    return f"no: kernels of {type(layer).__name__} are not pruned"


def _channels(model: keras.Model) -> dict[str, str]:
    """Returns whether channels can be taken out of each layer with a kernel."""
    from tfcompress.channels.removal import Removable

    if any(type(layer).__name__.startswith("Quantize") for layer in model.layers):
        return {layer.name: _ALREADY for layer in model.layers}
    return Removable(model).answers()


def _quantized(model: keras.Model) -> dict[str, str]:
    """Returns what QAT does to each layer, by name."""
    from tfcompress.quantization.plan import explain
    from tfcompress.rewriting.training_only import TRAINING_ONLY

    layers = model.layers
    if any(type(layer).__name__.startswith("Quantize") for layer in layers):
        return {layer.name: _ALREADY for layer in layers}
    texts = explain(model)
    for layer in layers:
        text = texts.get(layer.name, NOTHING_TO_DO)
        if isinstance(layer, TRAINING_ONLY) and not text.startswith("no: "):
            text = NOTHING_TO_DO
        if not (_is_plain(text) or text.startswith("rewritten")):
            text = f"rewritten: {text}"
        texts[layer.name] = text
    return texts


def _int8_export(qat: str) -> str:
    """Returns whether int8 is what comes out, as it does of a rewritten layer."""
    if qat.startswith("no: ") and qat != _ALREADY:
        return qat
    return NOTHING_TO_DO if qat == NOTHING_TO_DO else "yes"


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
    rewritten = sum(not _is_plain(row.qat) for row in rows)
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
    from tfcompress.training.objectives import check_outputs_logits

    try:
        check_outputs_logits(model, "model")
    except ModelError:
        mend = "model = tf_keras.Model(model.input, model.layers[-2].output)"
        if hasattr(model.layers[-1], "activation"):
            mend = "model.layers[-1].activation = tf_keras.activations.linear"
        yield f"It ends in a softmax, and stages that train want logits: {mend}."


def _is_plain(text: str) -> bool:
    return text in ("yes", NOTHING_TO_DO) or text.startswith("no: ")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
