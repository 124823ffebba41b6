"""Training: the stage that trains all weights, with or without a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import tf_keras as keras

from tfcompress.run import Run
from tfcompress.stages.stage import clone_model
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train


@dataclass(frozen=True, kw_only=True)
class Training(Fit):
    """Trains every weight of the model; settings are those of `Fit`.

    Example:
      >>> stage = tfc.Training(epochs=10, learning_rate=tfc.CosineDecay(2e-3))
      >>> model = stage(model, run)
    """

    provides: ClassVar[frozenset[str]] = frozenset()
    destroys: ClassVar[frozenset[str]] = frozenset({"sparsity", "quantization"})

    def check(self, model: keras.Model) -> None:
        """Takes any model."""

    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a trained copy of `model`."""
        trained = clone_model(model)
        train(trained, run, self)
        return trained
