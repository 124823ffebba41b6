"""History: what each epoch of one training measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class History:
    """The epochs of one training, those before an interruption included.

    Args:
      epochs: per epoch, its metrics by name: `loss` (nats), `accuracy` (a fraction),
        `val_loss`, `val_accuracy`, `learning_rate`; under distillation also
        `student_loss` (that of the labels) and each distillation loss by its name.
      epoch_seconds: how long each epoch took, validation included. It is no part of
        equality: a resumed training measures the same, at another pace.
    """

    epochs: tuple[Mapping[str, float], ...] = ()
    epoch_seconds: tuple[float, ...] = field(default=(), compare=False)

    @property
    def seconds(self) -> float:
        """Seconds spent on all epochs, those before an interruption included."""
        return sum(self.epoch_seconds)

    @property
    def best_epoch(self) -> int | None:
        """Index of the epoch of the lowest validation loss, the first of equals."""
        if not self.epochs:
            return None
        return min(range(len(self.epochs)), key=lambda i: self.epochs[i]["val_loss"])

    def waited(self) -> int:
        """Number of epochs since the best one."""
        best = self.best_epoch
        return 0 if best is None else len(self.epochs) - 1 - best
