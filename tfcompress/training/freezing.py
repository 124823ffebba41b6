"""Freezing: layers that keep their weights, for the first epochs or for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tf_keras as keras


class Freezing(keras.callbacks.Callback):
    """Keeps layers as they are, and thaws them after a number of epochs.

    What is frozen depends on the epoch alone, so a resumed training freezes what it
    would have frozen. A frozen BatchNormalization computes as in inference, with the
    statistics it came with. The optimizer has to be built for all weights beforehand.

    Args:
      layers: layers with trainable weights; trainable again when training ends.
      thaw_after: epochs after which they train, too; None never thaws them.
    """

    def __init__(
        self, layers: Sequence[keras.layers.Layer], thaw_after: int | None = None
    ):
        super().__init__()
        self._layers = layers
        self._thaw_after = thaw_after
        self._frozen = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Freezes or thaws, where the epoch before was otherwise."""
        frozen = self._thaw_after is None or epoch < self._thaw_after
        if frozen != self._frozen:
            self._set(frozen)
            # The step was traced for the weights that were trainable then.
            self.model.make_train_function(force=True)

    def on_train_end(self, logs: Any = None) -> None:
        """Makes the layers trainable again."""
        self._set(False)

    def _set(self, frozen: bool) -> None:
        self._frozen = frozen
        for layer in self._layers:
            layer.trainable = not frozen
