"""Initial weights: those of another model, as far as the layers are the same."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.errors import ModelError

# A name with another ending, or with none, is one of the recipe's own models.
FILE_SUFFIXES = (".keras", ".h5", ".hdf5")


def copy_weights(source: keras.Model, target: keras.Model, origin: str) -> list[str]:
    """Copies the weights of each layer that `source` has by the same name and shapes.

    Args:
      source: the model that was trained before.
      target: gets the weights, in place.
      origin: what messages call the source.

    Returns:
      The names of the last layers of `target`, which kept the weights they had.

    Raises:
      ModelError: no layer fits, or one before the last ones does not.
    """
    theirs = {layer.name: layer for layer in source.layers}
    layers = [layer for layer in target.layers if layer.weights]
    fits = [_fits(layer, theirs.get(layer.name)) for layer in layers]
    last = max((place for place, fit in enumerate(fits) if fit), default=len(layers))
    for layer, fit in zip(layers[:last], fits[:last], strict=True):
        if not fit:
            rule = (
                f"only the layers behind {layers[last].name!r} may differ"
                if any(fits)
                else "no layer fits; give a model of the same architecture"
            )
            raise ModelError(
                f"{origin} does not fit {target.name!r}: expected {_shapes(layer)}, "
                f"it has {_shapes(theirs.get(layer.name))}; {rule}"
            )
    for layer in layers[: last + 1]:
        layer.set_weights(theirs[layer.name].get_weights())
    return [layer.name for layer in layers[last + 1 :]]


def _fits(layer: keras.layers.Layer, other: keras.layers.Layer | None) -> bool:
    mine = [weight.shape for weight in layer.weights]
    return other is not None and mine == [weight.shape for weight in other.weights]


def _shapes(layer: keras.layers.Layer | None) -> str:
    if layer is None:
        return "no layer of that name"
    return f"{layer.name!r} with {[tuple(weight.shape) for weight in layer.weights]}"
