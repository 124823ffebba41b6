"""Dropout whose masks depend on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tf_keras as keras

from tfcompress.run import derive_seed


@contextmanager
def reseedable_dropout(
    model: keras.Model, seed: int
) -> Iterator[Callable[[int], None]]:
    """Gives random layers generators that can be reseeded, while the block lasts.

    tf_keras' Dropout draws from a stateful op, whose state is in no variable and in no
    checkpoint: a resumed training would draw other masks than an uninterrupted one.

    Args:
      model: its Dropout, GaussianNoise and similar layers are found at any depth.
      seed: what the masks derive from, with the epoch and the place of the layer.

    Yields:
      A function of the epoch number, to be called when that epoch begins.
    """
    kind = keras.__internal__.layers.BaseRandomLayer
    layers = [layer for layer in model.submodules if isinstance(layer, kind)]
    originals = [layer._random_generator for layer in layers]
    generators = []
    for layer in layers:
        generator = type(layer._random_generator)(seed, rng_type="stateful")
        generator._maybe_init()
        layer._random_generator = generator
        generators.append(generator._generator)

    def reseed(epoch: int) -> None:
        for place, generator in enumerate(generators):
            generator.reset_from_seed(derive_seed(seed, "dropout", place, epoch))

    try:
        yield reseed
    finally:
        for layer, original in zip(layers, originals, strict=True):
            layer._random_generator = original
