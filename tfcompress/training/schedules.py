"""Schedules of rates and weights, as plain values that a recipe file can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tfcompress.field_types import check_types, refusal


@dataclass(frozen=True)
class CosineDecay:
    """A linear warm-up, then half a cosine down to a fraction of the peak.

    Args:
      initial: learning rate, or weight of a loss, at the peak, where the decay starts;
        above 0.
      warmup_epochs: epochs over which it rises from 0 to `initial`; may be a fraction
        of an epoch.
      final_fraction: its value at the end as a fraction of `initial`, in [0, 1].

    Raises:
      InvalidArgumentError: a value is outside its range.

    Example:
      >>> fit = tfc.Training(epochs=10, learning_rate=tfc.CosineDecay(2e-3, 1.0))

    References:
      Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
      ICLR 2017, equation 5 with a single period.
    """

    initial: float = 1e-3
    warmup_epochs: float = 0.0
    final_fraction: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)
        if self.initial <= 0:
            raise refusal(self, "initial", "above 0; try 1e-3.")
        if self.warmup_epochs < 0:
            raise refusal(self, "warmup_epochs", "0 (no warm-up) or more.")
        if not 0 <= self.final_fraction <= 1:
            raise refusal(self, "final_fraction", "in [0, 1]; 0 decays to nothing.")

    def build(self, epochs: int, steps_per_epoch: int) -> Any:
        """Returns the tf_keras schedule over `epochs * steps_per_epoch` steps."""
        from tf_keras.optimizers import schedules

        warmup_steps = round(self.warmup_epochs * steps_per_epoch)
        return schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup_steps else self.initial,
            decay_steps=max(1, epochs * steps_per_epoch - warmup_steps),
            alpha=self.final_fraction,
            warmup_target=self.initial if warmup_steps else None,
            warmup_steps=warmup_steps,
        )


def scheduled(value: float | CosineDecay, epochs: int, steps_per_epoch: int) -> Any:
    """Returns the number, or the tf_keras schedule in place of a `CosineDecay`."""
    if isinstance(value, CosineDecay):
        return value.build(epochs, steps_per_epoch)
    return value
