"""Monitor: watches a training step by step and keeps what each epoch gave."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import TrainingError
from tfcompress.run import Run
from tfcompress.training.checkpoints import Checkpoints, writing_to
from tfcompress.training.fit import Fit
from tfcompress.training.history import History
from tfcompress.training.kernel_scalars import kernel_scalars


class Monitor(keras.callbacks.Callback):
    """Stops on NaN, logs, checkpoints, shows progress and stops early.

    Its decisions depend on `history` alone, so that a resumed training takes the
    same ones. It comes last among the callbacks: what others do to the weights at
    the end of an epoch (TF-MOT masks them) belongs into the checkpoint.

    Args:
      model: that is trained, without the Distiller that may be around it.
      run: where to log, and the progress to tell.
      fit: when to stop.
      steps: steps an epoch.
      checkpoints: where each epoch is saved.
      history: the epochs done before.
    """

    def __init__(
        self,
        model: keras.Model,
        run: Run,
        fit: Fit,
        steps: int,
        checkpoints: Checkpoints,
        history: History,
    ):
        super().__init__()
        self.history = history
        self.steps = steps
        self.reseed: Callable[[int], None] = lambda epoch: None
        self._trained = model
        self._run = run
        self._fit = fit
        self._checkpoints = checkpoints
        self._writer: Any = None
        self._began = time.monotonic()
        if run.progress:
            run.progress.skip(steps * len(history.epochs))

    def is_done(self) -> bool:
        """Returns whether no epoch is left, or waiting longer is in vain."""
        patience = self._fit.early_stopping
        return len(self.history.epochs) >= self._fit.epochs or (
            patience is not None and self.history.waited() >= patience
        )

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the TensorBoard log."""
        folder = self._run.tensorboard_dir
        with writing_to(folder):
            self._writer = tf.summary.create_file_writer(str(folder))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Times the epoch; its randomness is drawn from seed and epoch alone."""
        self._began = time.monotonic()
        self.reseed(epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops at the first step whose loss is not finite."""
        if not math.isfinite(logs["loss"]):
            self._stop_on_nan(f"step {batch + 1} of {self.steps} of ")
        if self._run.progress:
            self._run.progress.step()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the epoch: history, TensorBoard, checkpoint, in this order."""
        rate = keras.backend.get_value(self.model.optimizer.learning_rate)
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        # A last step may break the weights after its loss was taken.
        weights = self.model.trainable_weights
        if not all(np.isfinite(value).all() for value in (*metrics.values(), *weights)):
            self._stop_on_nan("the end of ")
        metrics["learning_rate"] = float(rate)
        self.history = History(
            (*self.history.epochs, metrics),
            (*self.history.epoch_seconds, time.monotonic() - self._began),
        )
        self._log(epoch, metrics)
        self._checkpoints.save(self.history)
        if self._run.progress:
            self._run.progress.epoch(epoch + 1, self._fit.epochs, metrics)
        self.model.stop_training = self.is_done()

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the TensorBoard log."""
        self._writer.close()

    def _log(self, epoch: int, metrics: dict[str, float]) -> None:
        with (
            writing_to(self._run.tensorboard_dir),
            self._writer.as_default(step=epoch + 1),
        ):
            for name, value in metrics.items():
                split = "validation" if name.startswith("val_") else "train"
                tf.summary.scalar(f"{split}/{name.removeprefix('val_')}", value)
            for tag, value in kernel_scalars(self._trained).items():
                tf.summary.scalar(tag, value)
            self._writer.flush()

    def _stop_on_nan(self, where: str) -> None:
        epoch = len(self.history.epochs) + 1
        raise TrainingError(
            f"The loss of stage {self._run.stage or type(self._fit).__name__!r} became "
            f"NaN or infinite at {where}epoch {epoch} of {self._fit.epochs}; training "
            "was stopped and what was completed before is kept. Lower its "
            f"learning_rate (now {self._fit.learning_rate}) or look for extreme values "
            "in the data."
        )
