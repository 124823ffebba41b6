"""Rewinding: what is left after pruning goes back to the weights it once had."""

from __future__ import annotations

from pathlib import Path

import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading import load_model
from tfcompress.run import Run
from tfcompress.stages.stage import clone_model
from tfcompress.training.initial_weights import FILE_SUFFIXES, copy_weights


def check_checkpoint(name: str | None) -> None:
    """Raises ModelError if a checkpoint that is a file is missing or unreadable.

    One that the recipe makes itself is not there yet.
    """
    if name is not None and Path(name).suffix in FILE_SUFFIXES:
        load_model(name)


def with_earlier_weights(model: keras.Model, name: str, run: Run) -> keras.Model:
    """Returns a copy of a model with the weights of an earlier checkpoint.

    Args:
      model: as it is now.
      name: of a trained model of the run, or the path of a model file.
      run: knows its trained models.

    Raises:
      ModelError: there is no such checkpoint, or it is not of this architecture.
    """
    source = run.teachers.get(name)
    if source is None:
        source = load_model(name)
    earlier = clone_model(model)
    others = copy_weights(source, earlier, name)
    if others:
        raise ModelError(
            f"{name} does not fit {model.name!r}, which cannot be rewound to it: layer "
            f"{others[0]!r} is another one; expected a checkpoint from the training of "
            "this model"
        )
    return earlier
