"""Checking that a rebuilt model computes what the original does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError

TOLERANCE = 1e-5
# Models that computed in 16 bits round otherwise than in 32.
_HALF_TOLERANCE = 2e-2
_OPEN_SIZE = 64


def check_agreement(
    model: keras.Model, original: Any, rewritten: Collection[str], half: bool = False
) -> None:
    """Refuses a model whose outputs differ from those of its original.

    Two seeded random images go through both, in inference mode: one of standard
    normal noise, one of values from 0 to 255.

    Args:
      model: the rebuilt one.
      original: the Keras model, of either generation, that it was made from.
      rewritten: layers that compute a part of what they did, so tell nothing.
      half: whether the original computes in 16 bits.

    Raises:
      ModelError: an output differs by more than 1e-5 of its largest value.
    """
    tolerance = _HALF_TOLERANCE if half else TOLERANCE
    inputs = [_random_input(tensor) for tensor in model.inputs]
    got, expected = _outputs(model, inputs), _outputs(original, inputs)
    difference = np.inf
    if len(got) == len(expected):
        difference = max(map(_difference, got, expected))
    if difference <= tolerance:
        return
    layer = _first_difference(model, original, inputs, rewritten, tolerance)
    raise ModelError(
        f"rebuilt, its outputs differ by {difference:.2g} of their largest value, from "
        f"layer {layer} on; please report the model, or load it with "
        "check_outputs=False"
    )


def _random_input(tensor: Any) -> np.ndarray:
    """Returns a batch of two for an input of a model."""
    random = np.random.default_rng(0)
    shape = [_OPEN_SIZE if size is None else size for size in tensor.shape[1:]]
    pixels = random.integers(0, 256, shape)
    floating = tensor.dtype.is_floating
    noise = random.normal(size=shape) if floating else random.integers(0, 2, shape)
    return np.stack([noise, pixels]).astype(tensor.dtype.as_numpy_dtype)


def _outputs(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Returns all outputs, computed in batches of the size that a model insists on."""
    size = model.inputs[0].shape[0]
    batches = [inputs]
    if size is not None and size != 2:
        batches = [[np.repeat(x[i : i + 1], size, 0) for x in inputs] for i in (0, 1)]
    parts = [_flat(_call(model, batch)) for batch in batches]
    if len(parts) == 1:
        return parts[0]
    return [np.concatenate([a[:1], b[:1]]) for a, b in zip(*parts, strict=True)]


def _call(model: Any, batch: list[np.ndarray]) -> Any:
    # Keras 3 warns where names are left out.
    structure = getattr(model, "_inputs_struct", None)
    if isinstance(structure, dict):
        return model(dict(zip(sorted(structure), batch, strict=True)), training=False)
    return model(batch[0] if len(batch) == 1 else batch, training=False)


def _flat(outputs: Any) -> list[np.ndarray]:
    return [np.asarray(output, np.float64) for output in tf.nest.flatten(outputs)]


def _difference(got: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest difference as a part of the largest value of each image."""
    if got.shape != expected.shape:
        return float("inf")
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(got)):
        return float("inf")
    worst = 0.0
    for ours, theirs, sound in zip(got, expected, finite, strict=True):
        if sound.any():
            scale = max(float(np.abs(theirs[sound]).max()), 1e-30)
            gap = float(np.abs(ours[sound] - theirs[sound]).max())
            worst = max(worst, gap / scale)
    return worst


def _first_difference(
    model: keras.Model,
    original: Any,
    inputs: list[np.ndarray],
    rewritten: Collection[str],
    tolerance: float,
) -> str:
    known = {layer.name: layer for layer in original.layers}
    # A layer of the user's may have been called before, outside of this model.
    nodes = (node for nodes in model._nodes_by_depth.values() for node in nodes)
    tensors = {node.layer: node.outputs for node in nodes}
    for layer in model.layers:
        if layer.name in known and layer.name not in rewritten:
            twin = known[layer.name]
            got = _outputs(keras.Model(model.inputs, tensors[layer]), inputs)
            maker = type(original).__mro__
            library = next(base for base in maker if base.__name__ == "Model")
            expected = _outputs(library(original.inputs, twin.output), inputs)
            if max(map(_difference, got, expected)) > tolerance:
                return str(layer.name)
    return str(model.layers[-1].name)
