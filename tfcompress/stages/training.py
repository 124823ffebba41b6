"""Training: the stage that trains the weights, from scratch or from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.loading import load_model
from tfcompress.run import Run
from tfcompress.stages.stage import clone_model, select_layers
from tfcompress.training.fit import Fit
from tfcompress.training.freezing import Freezing
from tfcompress.training.initial_weights import FILE_SUFFIXES, copy_weights
from tfcompress.training.loop import train


@dataclass(frozen=True, kw_only=True)
class Training(Fit):
    """Trains the weights of the model; further settings are those of `Fit`.

    Args:
      initial_weights: where to start from, instead of the weights that the model has:
        the name of a trained model of the recipe, or the path of a `.keras` or `.h5`
        file. Layers are found by name; the last ones, such as a head for another
        number of classes, may differ, and keep the weights that they have.
      freeze: shell-style patterns of layers that keep their weights, such as
        `("stem_*", "block_*")`; their BatchNormalization computes as in inference.
      thaw_after: epochs after which the frozen layers train, too; None never thaws
        them.

    Raises:
      InvalidArgumentError: a value is outside its range.
      ModelError: the initial weights are missing, or are not of this architecture.

    Example:
      >>> stage = tfc.Training(epochs=10, learning_rate=tfc.CosineDecay(2e-3))
      >>> model = stage(model, run)
      >>> stage = tfc.Training(
      ...     epochs=6,
      ...     initial_weights="pretrained.keras",
      ...     freeze=("stem_*", "block_*"),
      ...     thaw_after=2,
      ... )

    References:
      Yosinski et al., How transferable are features in deep neural networks?,
      arXiv:1411.1792.
    """

    initial_weights: str | None = None
    freeze: tuple[str, ...] = ()
    thaw_after: int | None = None

    provides: ClassVar[frozenset[str]] = frozenset()
    destroys: ClassVar[frozenset[str]] = frozenset(
        {"clusters", "sparsity", "quantization"}
    )

    def __post_init__(self) -> None:
        """Checks the values that `Fit` does not know."""
        super().__post_init__()
        if self.initial_weights == "":
            self._refuse("initial_weights", "the path of a model file, or a name.")
        thaw = self.thaw_after
        if thaw is None:
            return
        if not self.freeze:
            self._refuse("thaw_after", "None where nothing is frozen; give freeze.")
        if thaw < 1:
            self._refuse("thaw_after", "a number of epochs from 1, or None.")
        if thaw >= self.epochs:
            self._refuse(
                "thaw_after",
                f"below epochs={self.epochs}, or None to thaw nothing.",
            )

    def check(self, model: keras.Model) -> None:
        """Raises an error if a layer to freeze, or a checkpoint's, does not fit.

        A checkpoint that the recipe makes itself is not there yet.
        """
        self._layers_to_freeze(model)
        source = self.initial_weights
        if source is not None and Path(source).suffix in FILE_SUFFIXES:
            copy_weights(load_model(source), clone_model(model), source)

    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a trained copy of `model`."""
        trained = clone_model(model)
        if self.initial_weights is not None:
            source = run.teachers.get(self.initial_weights)
            if source is None:
                source = load_model(self.initial_weights)
            new = copy_weights(source, trained, self.initial_weights)
            run.note(initial_weights=self.initial_weights, new_layers=new)
        frozen = self._layers_to_freeze(trained)
        if frozen:
            run.note(frozen_layers=[layer.name for layer in frozen])
        train(trained, run, self, [Freezing(frozen, self.thaw_after)] if frozen else [])
        return trained

    def _layers_to_freeze(self, model: keras.Model) -> list[keras.layers.Layer]:
        if not self.freeze:
            return []
        names = set(select_layers(model, self.freeze, _is_trained))
        if names >= {layer.name for layer in model.layers if _is_trained(layer)}:
            raise InvalidArgumentError(
                f"Training freeze={self.freeze!r} freezes every layer of "
                f"{model.name!r}, so nothing would train; leave out the last ones"
            )
        return [layer for layer in model.layers if layer.name in names]


def _is_trained(layer: keras.layers.Layer) -> bool:
    return bool(layer.trainable_weights)
