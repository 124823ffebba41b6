"""Models of another precision in float32, which int8, clusters and statistics want."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tf_keras as keras

from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.remake import remake


def is_float32(layer: keras.layers.Layer) -> bool:
    """Returns whether a layer computes in float32, or in no float type at all."""
    policy = layer._dtype_policy.name or ""
    return policy == "float32" or not ("float" in policy or "half" in policy)


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a canonical model that computes in float32, with equal weights.

    Args:
      model: stays as it is; it is returned itself if it computes in float32.
    """
    if all(map(is_float32, model.layers)):
        return model
    with float32_policy():
        return Graph.from_model(model).to_model(
            lambda spec: remake(
                spec.layer, **({} if is_float32(spec.layer) else {"dtype": "float32"})
            )
        )


@contextmanager
def float32_policy() -> Iterator[None]:
    """Makes float32 what new layers compute in, whatever Keras' global policy is."""
    policy = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(policy)
