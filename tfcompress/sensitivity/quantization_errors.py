"""Where quantization hurts: each layer in float against the same layer in int8."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)

from tfcompress.data.model_fit import check_model_fits
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.loading.live import is_quantized
from tfcompress.quantization.quantizers import FixedRangeQuantizer
from tfcompress.quantization.strip import output_bounds
from tfcompress.rewriting.check import check_tf_keras
from tfcompress.rewriting.forward import call_layer, forward
from tfcompress.rewriting.graph import Graph, Node
from tfcompress.sensitivity.text_table import text_table

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

_BATCH_SIZE = 16
_NUM_STEPS = 255
_Bounds = tuple[float, float]
# Below this the noise is a tenth of the signal's amplitude.
_POOR_DB = 20.0
_MOST_DB = 99.0
# Shares of the values and of the channels from which on a hint is given.
_MANY_CLIPPED, _MANY_LOST = 0.01, 0.1


@dataclass(frozen=True)
class LayerError:
    """How much of a layer's output int8 loses.

    Args:
      name: of the layer.
      type: of the layer, Keras' name.
      sqnr_db: signal-to-quantization-noise ratio of the output when everything up to
        here is int8, in decibels: 10 log10(sum of squares in float / sum of squared
        differences), -99 or more. Infinite where nothing differs.
      own_sqnr_db: the same if only this layer is int8, and what it is given is float.
      cosine: of the angle between both outputs, in [-1, 1].
      mean_error: mean of the int8 values minus the float values; biases take it on.
      clipped: share of the float values outside of the range, in [0, 1].
      low: smallest value that int8 can hold; None where the layer's output is not
        rounded, because a later layer of the same operator does that.
      high: the largest.
      dead_channels: channels that are 0 for every image and pixel.
      hint: what may help; empty where nothing has to.
    """

    name: str
    type: str
    sqnr_db: float
    own_sqnr_db: float
    cosine: float
    mean_error: float
    clipped: float
    low: float | None
    high: float | None
    dead_channels: int
    hint: str

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values; an infinite ratio is None."""
        values = asdict(self)
        for key in ("sqnr_db", "own_sqnr_db"):
            values[key] = values[key] if np.isfinite(values[key]) else None
        return values


@dataclass(frozen=True)
class QuantizationErrors:
    """What int8 loses, layer by layer.

    Args:
      model: its name.
      num_images: that were measured.
      rows: layers in the model's order.
    """

    model: str
    num_images: int
    rows: tuple[LayerError, ...]

    def worst(self, number: int = 10) -> tuple[LayerError, ...]:
        """Returns the layers whose own rounding loses most, the worst first."""
        return tuple(sorted(self.rows, key=lambda row: row.own_sqnr_db)[:number])

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        rows = [row.to_dict() for row in self.rows]
        return {"model": self.model, "num_images": self.num_images, "rows": rows}

    def to_json(self) -> str:
        """Returns `to_dict` as an indented JSON document."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        """Returns a table of the worst layers, as wide as the terminal."""
        return text_table(_COLUMNS, map(_cells, self.worst()))


_COLUMNS = (
    *("layer", "own SQNR", "SQNR", "cosine", "mean error", "clipped", "range", "hint"),
)


def _cells(row: LayerError) -> tuple[str, ...]:
    range_text = "" if row.low is None else f"{row.low:.3g} to {row.high:.3g}"
    return (
        *(row.name, f"{row.own_sqnr_db:.1f} dB", f"{row.sqnr_db:.1f} dB"),
        *(f"{row.cosine:.4f}", f"{row.mean_error:.2g}"),
        *(f"{row.clipped:.2%}", range_text, row.hint),
    )


def quantization_errors(
    model: keras.Model, data: Dataset, num_images: int = 64, seed: int = 0
) -> QuantizationErrors:
    """Compares every layer of a quantized model with itself in float.

    Both are computed in one pass over the images: the fake-quantized layers, which the
    int8 file agrees with, and the same layers with the same weights, none of them
    rounded. `plot_quantization_errors` shows the result.

    Args:
      model: what `QuantizationAware` returned; with `epochs=0` it has only been
        calibrated.
      data: the images are of its training split.
      num_images: to measure on, evenly of all classes.
      seed: of their choice.

    Raises:
      InvalidArgumentError: no images.
      ModelError: the model is not quantized, or does not fit the data.

    Example:
      >>> model = tfc.QuantizationAware(epochs=0)(model, run)
      >>> tfc.quantization_errors(model, run.data).worst(3)
    """
    if num_images < 1:
        raise InvalidArgumentError(
            f"quantization_errors num_images={num_images}; expected 1 or more"
        )
    check_tf_keras(model)
    if not is_quantized(model.layers):
        raise ModelError(
            f"{model.name!r} is not quantized; expected the model that its "
            "QuantizationAware stage returned"
        )
    check_model_fits(model, data)
    images = data.calibration(num_images, seed).images
    graph = Graph.from_model(model)
    nodes = [node for node in graph.nodes if is_quantized([node.layer])]
    bounds = {node.name: output_bounds(node.layer) for node in nodes}
    totals: list[dict[str, np.ndarray]] = [{} for _ in nodes]
    measure = tf.function(partial(_measure, graph, bounds), autograph=False)
    for start in range(0, len(images), _BATCH_SIZE):
        found = measure(images[start : start + _BATCH_SIZE])
        for total, sums in zip(totals, found, strict=True):
            for key, value in sums.items():
                total[key] = total.get(key, 0) + value.numpy()
    rows = [
        _row(node, bounds[node.name], total)
        for node, total in zip(nodes, totals, strict=True)
    ]
    return QuantizationErrors(model.name, len(images), tuple(rows))


def _measure(
    graph: Graph, bounds: Mapping[str, _Bounds | None], images: tf.Tensor
) -> list[dict[str, tf.Tensor]]:
    """Returns sums over a batch, for each layer that rounds something."""
    exact = forward(graph, images, call_in_float)
    rounded = forward(graph, images)
    sums = []
    for node in graph.nodes:
        if node.name not in bounds:
            continue
        given = [exact[tensor] for tensor in node.inputs]
        alone = call_layer(node, given if node.is_list else given[0])
        values = exact[node.output], rounded[node.output], alone
        sums.append(_sums(*values, bounds[node.name]))
    return sums


def call_in_float(node: Node, given: Any) -> tf.Tensor:
    """Calls the layer inside a wrapper with its weights as they were trained."""
    wrapper = node.layer
    if isinstance(wrapper, quantize_layer.QuantizeLayer):
        return given
    if not isinstance(wrapper, quantize_wrapper.QuantizeWrapper):
        return call_layer(node, given)
    kernels = [kernel for kernel, _, _ in wrapper._weight_vars]
    wrapper.quantize_config.set_quantize_weights(wrapper.layer, kernels)
    value = wrapper.layer(given, **{**node.options, "training": False})
    for quantizer in wrapper._output_quantizers:
        if isinstance(quantizer, FixedRangeQuantizer):
            # Such a range may be the bounds of the function itself, as of a gate.
            return tf.clip_by_value(value, quantizer.low, quantizer.high)
    return value


def _sums(
    exact: tf.Tensor, rounded: tf.Tensor, alone: tf.Tensor, bounds: _Bounds | None
) -> dict[str, tf.Tensor]:
    exact, rounded, alone = (
        tf.cast(tensor, tf.float64) for tensor in (exact, rounded, alone)
    )
    axes = list(range(exact.shape.rank - 1))
    sums = {
        "number": tf.size(exact, tf.float64),
        "difference": tf.reduce_sum(rounded - exact),
        "noise": tf.reduce_sum((rounded - exact) ** 2),
        "rounded_signal": tf.reduce_sum(rounded**2),
        "product": tf.reduce_sum(exact * rounded),
        "signals": tf.reduce_sum(exact**2, axis=axes),
        "own_noises": tf.reduce_sum((alone - exact) ** 2, axis=axes),
    }
    if bounds:
        low, high = bounds
        half_step = (high - low) / _NUM_STEPS / 2
        outside = (exact < low - half_step) | (exact > high + half_step)
        sums["clipped"] = tf.math.count_nonzero(outside, dtype=tf.float64)
    return sums


def _row(
    node: Node, bounds: _Bounds | None, sums: Mapping[str, np.ndarray]
) -> LayerError:
    layer = getattr(node.layer, "layer", node.layer)
    signal = sums["signals"].sum()
    norms = np.sqrt(signal * sums["rounded_signal"])
    facts: dict[str, Any] = {
        "sqnr_db": _decibels(signal, sums["noise"]),
        "own_sqnr_db": _decibels(signal, sums["own_noises"].sum()),
        "cosine": float(sums["product"] / norms) if norms else 1.0,
        "mean_error": float(sums["difference"] / sums["number"]),
        "clipped": float(sums.get("clipped", 0) / sums["number"]),
        "dead_channels": int(np.sum(sums["signals"] == 0)),
    }
    low, high = bounds or (None, None)
    hint = _hint(facts, sums)
    # A QuantizeLayer has no layer inside: it rounds the model's input.
    name = layer.name if layer is not node.layer else node.inputs[0].node.name
    kind = type(layer).__name__ if layer is not node.layer else "InputLayer"
    return LayerError(name=name, type=kind, low=low, high=high, hint=hint, **facts)


def _decibels(signal: Any, noise: Any) -> float:
    if not noise:
        return float("inf")
    return max(float(10 * np.log10(max(signal, 1e-30) / noise)), -_MOST_DB)


def _hint(facts: Mapping[str, Any], sums: Mapping[str, np.ndarray]) -> str:
    """Returns what may help a layer, the likeliest cause first."""
    dead, num_channels = facts["dead_channels"], sums["signals"].size
    if facts["own_sqnr_db"] < _POOR_DB:
        if facts["clipped"] > _MANY_CLIPPED:
            return (
                "range too narrow: calibrate with more images, or by "
                "Calibration(method='min_max')"
            )
        return (
            "few steps for most values: train on with QuantizationAware(epochs=1), or "
            "leave the layer in float"
        )
    lost = (sums["own_noises"] > sums["signals"] / 10) & (sums["signals"] > 0)
    if lost.sum() > _MANY_LOST * num_channels:
        return (
            f"{lost.sum()} channels are too small for the steps of the others: "
            "Calibration(equalize=True)"
        )
    if dead:
        return f"{dead} channels are always 0: ChannelPruning can remove them"
    return ""
