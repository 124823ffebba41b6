"""Fit: how any stage that trains, trains."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from tfcompress.errors import InvalidArgumentError
from tfcompress.training.objectives import Distillation
from tfcompress.training.schedules import CosineDecay

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The settings that all training stages share; stages subclass it.

    Args:
      epochs: passes over the training split; 0 trains nothing.
      batch_size: images a step.
      optimizer: `adam`, `adamw`, `rmsprop` or `sgd` (with Nesterov momentum 0.9).
      learning_rate: a constant rate, or a schedule such as `CosineDecay(2e-3)`.
      label_smoothing: share of each label spread over all classes, in [0, 1).
      early_stopping: stop after this many epochs in which the validation loss did
        not fall; None never stops early.
      restore_best_weights: end with the weights of the epoch of the lowest
        validation loss, not of the last one. With a sparsity schedule, that epoch
        may be one in which the schedule had not ended.
      objective: what the model learns besides the labels, such as
        `Distillation("teacher")`; None is the labels alone.

    Raises:
      InvalidArgumentError: a value is outside its range.
    """

    epochs: int = 1
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float | CosineDecay = 1e-3
    label_smoothing: float = 0.0
    early_stopping: int | None = None
    restore_best_weights: bool = False
    objective: Distillation | None = None

    def __post_init__(self) -> None:
        self._check_counts()
        if self.optimizer not in OPTIMIZERS:
            near = difflib.get_close_matches(str(self.optimizer), OPTIMIZERS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            self._refuse("optimizer", f"one of {', '.join(OPTIMIZERS)}.{hint}")
        if not isinstance(self.learning_rate, CosineDecay) and not (
            _is_number(self.learning_rate) and 0 < self.learning_rate < float("inf")
        ):
            self._refuse("learning_rate", "a finite number above 0 or a CosineDecay.")
        if not (_is_number(self.label_smoothing) and 0 <= self.label_smoothing < 1):
            self._refuse("label_smoothing", "in [0, 1); 0.1 is usual.")
        if not isinstance(self.restore_best_weights, bool):
            self._refuse("restore_best_weights", "True or False.")
        if not isinstance(self.objective, Distillation | None):
            self._refuse("objective", "a Distillation or None.")

    def _check_counts(self) -> None:
        if not (_is_integer(self.epochs) and self.epochs >= 0):
            self._refuse("epochs", "a whole number, 0 (no training) or more.")
        if not (_is_integer(self.batch_size) and self.batch_size >= 1):
            self._refuse("batch_size", "a whole number of 1 or more.")
        patience = self.early_stopping
        if patience is not None and not (_is_integer(patience) and patience >= 1):
            self._refuse("early_stopping", "None or a number of epochs from 1 up.")

    def _refuse(self, name: str, expected: str) -> None:
        raise InvalidArgumentError(
            f"{type(self).__name__} {name}={getattr(self, name)!r} must be {expected}"
        )


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
