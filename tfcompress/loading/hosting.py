"""Layers of tf_keras inside a model of Keras 3.

A layer of the user's is known as a class of tf_keras only. Hosted, it takes its place
in the original that a Keras 3 file describes, so that all around it can be compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras as keras
from tf_keras.src.saving import saving_lib

from tfcompress.loading.weights import PathStore


class Stored(dict[str, np.ndarray]):
    """The weights at one path of a file, from which the others are reached, too.

    Args:
      store: all weights of the file.
      path: which of them.
    """

    def __init__(self, store: PathStore, path: str):
        super().__init__(store.get(path))
        self.store, self.path = store, path


def hosted(kind: type[keras.layers.Layer], name: str) -> type:
    """Returns a class of Keras 3 whose layers compute what those of `kind` do.

    Args:
      kind: a class of tf_keras.
      name: of the class in the file; paths of weights are made of it.
    """
    import keras as keras_3

    class Hosted(keras_3.layers.Layer):
        def __init__(self, guest: keras.layers.Layer):
            dtype = guest.dtype_policy.name
            super().__init__(name=guest.name, dtype=dtype, trainable=guest.trainable)
            self.guest = guest

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            return cls(kind.from_config(config))

        def call(self, inputs: Any, **options: Any) -> Any:
            return self.guest(inputs, **options)

        def load_own_variables(self, stored: Stored) -> None:
            places = stored.store, None, stored.path
            saving_lib._load_state(self.guest, *places, False, set())

        @property
        def weights(self) -> list[Any]:
            return list(self.guest.weights)

    Hosted.__name__ = name
    return Hosted
