"""The outputs of a model's layers, from the same pass as its own."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.training.distillation.loss import LOGITS, Outputs, Shapes


def outputs_of(
    model: keras.Model, names: Sequence[str], role: str
) -> tuple[Callable[..., Outputs], Shapes]:
    """Returns a function that calls the model and gives more of its outputs.

    Args:
      model: functional; layers may be in wrappers of TF-MOT.
      names: of layers, as they are called without wrappers.
      role: what messages call the model.

    Returns:
      A function of `(images, training)` that returns float32 tensors by name, those
      named and the model's own as `LOGITS`; and the shapes of those named.

    Raises:
      ModelError: there is no such layer, or it does not return one tensor.
    """
    if not names:
        return lambda images, training: _named([model(images, training=training)]), {}
    tensors = _find(model, names, role)
    # A second model over the same layers.
    whole = keras.Model(model.inputs, [model.output, *tensors.values()])

    def call(images: tf.Tensor, training: bool) -> Outputs:
        return _named(whole(images, training=training), names)

    return call, {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _named(outputs: Sequence[tf.Tensor], names: Sequence[str] = ()) -> Outputs:
    return {
        name: tf.cast(output, tf.float32)
        for name, output in zip([LOGITS, *names], outputs, strict=True)
    }


def _find(model: keras.Model, names: Sequence[str], role: str) -> dict[str, Any]:
    known = _tensors(model)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"Did you mean {near[0]!r}?" if near else f"It has {list(known)[:8]}."
            )
            raise ModelError(
                f"The {role} {model.name!r} has no layer {name!r} to compare. {hint}"
            )
        if tf.nest.is_nested(known[name]):
            raise ModelError(
                f"The layer {name!r} of the {role} {model.name!r} returns more than "
                "one tensor, expected one to compare; name the layer behind it."
            )
    return {name: known[name] for name in names}


def _tensors(model: keras.Model) -> dict[str, Any]:
    """Returns the outputs of all layers; of one that is called twice, the last.

    Not by `layer.output`: a layer that was moved into a wrapped model has an output in
    the model it came from, too.
    """
    tensors = {}
    by_depth = getattr(model, "_nodes_by_depth", {})
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            layer = node.layer
            tensors[layer.name] = node.outputs
            if isinstance(layer, keras.layers.Wrapper):
                tensors[layer.layer.name] = node.outputs
    return tensors
