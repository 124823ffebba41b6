"""Checkpoints: one an epoch, from which a killed training goes on."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfcompress.storage import writing
from tfcompress.training.history import History
from tfcompress.training.op_errors import reason

_ERRNOS = {os.strerror(number): number for number in errno.errorcode}


class Checkpoints:
    """Model, optimizer, history and best weights of one training, on disk.

    `tf.train.CheckpointManager` writes beside the old checkpoint and keeps it, so a
    crash or a full disk costs one epoch at most; a damaged checkpoint is passed over
    for the one before.

    Args:
      folder: where they are kept; made when the first one is saved.
      model: saved without what wraps it in training.
      optimizer: built already, so that its slots exist.
      keep_best: also keep the weights of the epoch of the lowest validation loss.
      companions: what is trained beside the model, and thrown away with the last
        checkpoint: layers and models, in lists and mappings.
    """

    def __init__(
        self,
        folder: Path,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        keep_best: bool = False,
        companions: Sequence[Any] = (),
    ):
        self._folder = folder
        self._model = model
        self._history = tf.Variable("", trainable=False)
        best = [tf.Variable(w, trainable=False) for w in model.weights if keep_best]
        self._state = tf.train.Checkpoint(
            model=model,
            optimizer=optimizer,
            history=self._history,
            best=best,
            companions=list(companions),
        )
        with writing_to(folder):
            self._manager = tf.train.CheckpointManager(
                self._state, str(folder), max_to_keep=2
            )

    def save(self, history: History) -> None:
        """Writes the state after the last epoch of `history`.

        Raises:
          WorkdirError: it cannot be written; the checkpoint before is intact.
        """
        if self._state.best and history.waited() == 0:
            for best, weight in zip(self._state.best, self._model.weights, strict=True):
                best.assign(weight)
        self._history.assign(json.dumps(asdict(history)))
        with writing_to(self._folder):
            self._manager.save(checkpoint_number=len(history.epochs))

    def restore(self) -> History:
        """Sets model and optimizer to the newest whole checkpoint, if there is one.

        Returns:
          The epochs done until then; empty if there is no checkpoint to go on from.
        """
        for path in self._newest_first():
            if _is_whole(path):
                self._state.restore(path).assert_existing_objects_matched()
                saved = json.loads(self._history.numpy())
                return History(**{name: tuple(saved[name]) for name in saved})
        return History()

    def restore_best(self) -> None:
        """Sets the model to the weights of the epoch of the lowest validation loss."""
        for best, weight in zip(self._state.best, self._model.weights, strict=True):
            weight.assign(best)

    def remove(self) -> None:
        """Removes all checkpoints of this training."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _newest_first(self) -> list[str]:
        # Not from the manager: its list is one more file that may be damaged.
        found = [path.with_suffix("") for path in self._folder.glob("ckpt-*.index")]
        found.sort(key=lambda path: int(path.name.split("-")[1]), reverse=True)
        return [str(path) for path in found]


def _is_whole(path: str) -> bool:
    # Reading every tensor checks its CRC; restoring a damaged one would fail halfway.
    # Damage shows as one of several unrelated errors, IndexError among them.
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except Exception:
        return False
    return True


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turns whatever fails while writing into `folder` into a WorkdirError."""
    with writing(folder):
        try:
            yield
        except tf.errors.OpError as error:
            # TensorFlow appends what the system said, which tells the way to mend it.
            text = reason(error)
            said = text.rpartition("; ")[2]
            number = _ERRNOS.get(said)
            raise OSError(number, said if number else text) from error
