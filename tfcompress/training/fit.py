"""Fit: how any stage that trains, trains."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import NoReturn

from tfcompress.field_types import check_types, refusal
from tfcompress.training.objectives import Distillation
from tfcompress.training.schedules import CosineDecay

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The settings that all training stages share; stages subclass it.

    Args:
      epochs: passes over the training split; 0 trains nothing, and takes no objective.
      batch_size: images a step.
      optimizer: `adam`, `adamw`, `rmsprop` or `sgd` (with Nesterov momentum 0.9).
      learning_rate: a constant rate, or a schedule such as `CosineDecay(2e-3)`.
      weight_decay: share of each weight that a step takes away, times the learning
        rate (decoupled, arXiv:1711.05101), 0 or more; None is what Keras takes: 0.004
        for `adamw`, else nothing.
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
    weight_decay: float | None = None
    label_smoothing: float = 0.0
    early_stopping: int | None = None
    restore_best_weights: bool = False
    objective: Distillation | None = None

    def __post_init__(self) -> None:
        check_types(self)
        if self.epochs < 0:
            self._refuse("epochs", "0 (no training) or more.")
        if not self.epochs and self.objective:
            self._refuse(
                "epochs",
                "1 or more with an objective, which only training follows; else set "
                "objective=None first.",
            )
        if self.batch_size < 1:
            self._refuse("batch_size", "1 or more.")
        if self.optimizer not in OPTIMIZERS:
            near = difflib.get_close_matches(self.optimizer, OPTIMIZERS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            self._refuse("optimizer", f"one of {', '.join(OPTIMIZERS)}.{hint}")
        if isinstance(self.learning_rate, float | int) and self.learning_rate <= 0:
            self._refuse("learning_rate", "above 0; 1e-3 is usual.")
        if self.weight_decay is not None and self.weight_decay < 0:
            self._refuse("weight_decay", "None, or 0 or more; 5e-4 is usual with sgd.")
        if not 0 <= self.label_smoothing < 1:
            self._refuse("label_smoothing", "in [0, 1); 0.1 is usual.")
        if self.early_stopping is not None and self.early_stopping < 1:
            self._refuse("early_stopping", "None or a number of epochs from 1 up.")

    def _refuse(self, name: str, expected: str) -> NoReturn:
        raise refusal(self, name, expected)
