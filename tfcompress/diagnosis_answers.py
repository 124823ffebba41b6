"""What each technique answers for each layer of a model."""

from __future__ import annotations

from collections.abc import Mapping

import tf_keras as keras

from tfcompress.channels.removal import Removable
from tfcompress.diagnosis import NOTHING_TO_DO, is_plain
from tfcompress.loading.live import is_quantized
from tfcompress.quantization.plan import explain as explain_quantization
from tfcompress.rewriting.training_only import TRAINING_ONLY
from tfcompress.stages.clustering import explain as explain_clustering
from tfcompress.stages.pruning import Pruning

_ALREADY = "no: it is quantized already"


def answers(model: keras.Model) -> dict[str, Mapping[str, str]]:
    """Returns the answer of each technique by name of the layer.

    A technique that looks for kernels has none for layers without.
    """
    names = [layer.name for layer in model.layers]
    kernels = [layer for layer in model.layers if _has_kernel(layer)]
    if is_quantized(model.layers):
        already = dict.fromkeys((layer.name for layer in kernels), _ALREADY)
        return {
            "pruning": already,
            "channel_pruning": already,
            "clustering": already,
            "qat": dict.fromkeys(names, _ALREADY),
            "int8_export": dict.fromkeys(names, "yes"),
        }
    channels, clusters = Removable(model).answers(), explain_clustering(model)
    quantized = _quantized(model)
    return {
        "pruning": {layer.name: _pruning(layer) for layer in kernels},
        "channel_pruning": {layer.name: channels[layer.name] for layer in kernels},
        "clustering": {
            layer.name: clusters.get(layer.name, _refusal(layer, "clustered"))
            for layer in kernels
        },
        "qat": quantized,
        "int8_export": {name: _int8_export(quantized[name]) for name in names},
    }


def _has_kernel(layer: keras.layers.Layer) -> bool:
    return any("kernel" in weight.name for weight in layer.weights)


def _pruning(layer: keras.layers.Layer) -> str:
    if Pruning().suits(layer):
        return "yes"
    if Pruning(depthwise=True).suits(layer):
        return "yes, with depthwise=True"
    return _refusal(layer, "pruned")


def _refusal(layer: keras.layers.Layer, done: str) -> str:
    return f"no: kernels of {type(layer).__name__} are not {done}"


def _quantized(model: keras.Model) -> dict[str, str]:
    """Returns what QAT does to each layer."""
    texts = explain_quantization(model)
    for layer in model.layers:
        text = texts.get(layer.name, NOTHING_TO_DO)
        if isinstance(layer, TRAINING_ONLY) and not text.startswith("no: "):
            text = NOTHING_TO_DO
        if not (is_plain(text) or text.startswith("rewritten")):
            text = f"rewritten: {text}"
        texts[layer.name] = text
    return texts


def _int8_export(qat: str) -> str:
    """Returns whether int8 is what comes out, as it does of a rewritten layer."""
    return qat if is_plain(qat) else "yes"
