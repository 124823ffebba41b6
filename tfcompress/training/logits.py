"""A check that a model gives logits, as every stage that trains wants them."""

from __future__ import annotations

from typing import Any

from tfcompress.errors import ModelError


def check_outputs_logits(model: Any, role: str) -> None:
    """Raises ModelError if `model` visibly ends in a softmax or a sigmoid.

    Trained as if they were logits, probabilities learn next to nothing, and nothing
    would say so.
    """
    layer = getattr(model, "layers", [None])[-1]
    layer = getattr(layer, "layer", layer)
    last = layer
    # An activation may itself be a layer: Dense(10, activation=keras.layers.Softmax()).
    while hasattr(last, "activation"):
        last = last.activation
    activation = getattr(last, "__name__", type(last).__name__).lower()
    if activation in ("softmax", "sigmoid"):
        raise ModelError(
            f"The {role} {model.name!r} outputs probabilities (its last layer "
            f"{layer.name!r} is a {activation}), expected logits; build it without the "
            f"{activation}, such as Dense(num_classes, activation=None)."
        )
