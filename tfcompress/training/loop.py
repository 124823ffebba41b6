"""The one training loop that every stage uses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfcompress.data import check_model_fits
from tfcompress.data.views import Views
from tfcompress.errors import DataError, TrainingError
from tfcompress.run import Run
from tfcompress.training.checkpoints import Checkpoints
from tfcompress.training.distillation.teacher_cache import cached_logits
from tfcompress.training.distiller import Distiller
from tfcompress.training.dropout import reseedable_dropout
from tfcompress.training.fit import Fit
from tfcompress.training.history import History
from tfcompress.training.layer_settings import layer_settings
from tfcompress.training.logits import check_outputs_logits
from tfcompress.training.monitor import Monitor
from tfcompress.training.op_errors import data_error, reason
from tfcompress.training.optimizer import build_optimizer, cross_entropy
from tfcompress.training.schedules import scheduled


def train(
    model: keras.Model,
    run: Run,
    fit: Fit,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Trains `model` in place on the run's training split.

    Every epoch is validated, logged to TensorBoard and checkpointed under
    `run.stage_dir`. A training that was killed goes on from its last checkpoint when
    it is called again with the same model, data, settings and seed, and ends with the
    same weights, bit for bit, as one that never stopped.

    Args:
      model: built tf_keras model that takes `(batch, height, width, channels)` and
        returns logits `(batch, classes)`; it may hold TF-MOT wrappers.
      run: data, folder, seed and progress.
      fit: how to train; `epochs=0` returns at once.
      callbacks: tf_keras callbacks, run after a checkpoint is restored and, at the
        end of an epoch, before the next one is saved. They see the model, or the
        `Distiller` around it, as `self.model`.

    Returns:
      What each epoch measured.

    Raises:
      DataError: an image cannot be read any more; the model is set back likewise.
      ModelError: the model or its teacher does not fit the data or each other.
      TrainingError: the loss became NaN or infinite, or TensorFlow failed; the model
        is set back to the last whole epoch.
      WorkdirError: a checkpoint cannot be written.
    """
    if fit.epochs == 0:
        return History()
    run = replace(run, label=type(fit).__name__)
    check_model_fits(model, run.data)
    check_outputs_logits(model, "model")
    teacher = fit.objective.resolve(model, run) if fit.objective else None
    tf.random.set_seed(run.stage_seed)
    views = _views(teacher, run, fit)
    steps = run.data.steps_per_epoch(fit.batch_size)
    trainee = _trainee(model, None if views else teacher, fit, steps, run.stage_seed)
    optimizer = build_optimizer(fit, steps)
    optimizer.build(trainee.trainable_variables)
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    trainee.compile(optimizer, cross_entropy(fit.label_smoothing), [accuracy])
    initial_weights = model.get_weights()
    checkpoints = Checkpoints(
        run.stage_dir / "checkpoints" / _identity(model, teacher, run, fit),
        model,
        optimizer,
        keep_best=fit.restore_best_weights,
        companions=getattr(trainee, "companions", ()),
    )
    history = checkpoints.restore()
    if history.epochs:
        run.note(seconds_before=history.seconds)
    monitor = Monitor(model, run, fit, steps, checkpoints, history)
    if not monitor.is_done():
        try:
            _fit(trainee, run, fit, [*callbacks, monitor], views)
        except (DataError, TrainingError):
            if not checkpoints.restore().epochs:
                model.set_weights(initial_weights)
            raise
    if fit.restore_best_weights:
        checkpoints.restore_best()
    if not run.stage:
        # No pipeline will commit this stage and tidy up after it.
        checkpoints.remove()
    return monitor.history


def _views(teacher: Any, run: Run, fit: Fit) -> Views | None:
    """Returns what the teacher says of the images, if that is known beforehand."""
    if not (fit.objective and fit.objective.is_cached):
        return None
    return cached_logits(teacher, run, min(fit.objective.cache, fit.epochs))


def _trainee(
    model: keras.Model, teacher: Any, fit: Fit, steps: int, seed: int
) -> keras.Model:
    if fit.objective:
        terms = tuple(
            (loss, scheduled(weight, fit.epochs, steps))
            for loss, weight in fit.objective.terms
        )
        hard_weight = scheduled(fit.objective.label_weight, fit.epochs, steps)
        following = fit.objective.mean_teacher
        momentum = following.momentum if following else None
        return Distiller(model, teacher, terms, hard_weight, seed, momentum)
    # A second model over the same layers: compiling it leaves the first as it was.
    return keras.Model(model.inputs, model.outputs, name=model.name)


def _fit(
    trainee: keras.Model,
    run: Run,
    fit: Fit,
    callbacks: Sequence[keras.callbacks.Callback],
    views: Views | None,
) -> None:
    monitor = callbacks[-1]
    epoch = len(monitor.history.epochs)
    with reseedable_dropout(trainee, run.stage_seed) as monitor.reseed:
        try:
            trainee.fit(
                run.data.train_batches(fit.batch_size, run.stage_seed, epoch, views),
                steps_per_epoch=monitor.steps,
                epochs=fit.epochs,
                initial_epoch=epoch,
                validation_data=run.data.batches("validation"),
                callbacks=list(callbacks),
                verbose=0,
            )
        except tf.errors.OpError as error:
            raise data_error(error) or TrainingError(
                f"TensorFlow stopped the training of stage "
                f"{run.stage or type(fit).__name__!r}: {reason(error)}; what was "
                "completed before is kept. Lower its batch_size if memory ran out, "
                "and run the same command again."
            ) from error


def _identity(
    model: keras.Model, teacher: keras.Model | None, run: Run, fit: Fit
) -> str:
    """Returns a name for everything the result depends on.

    So a checkpoint of another model, data set or setting in the same folder is never
    gone on from.
    """
    digest = hashlib.sha256()
    settings = [
        (field.name, repr(getattr(fit, field.name)))
        for field in fields(fit)
        if field.name != "objective"
    ]
    objective = fit.objective and (
        repr(fit.objective.terms),
        repr(fit.objective.label_weight),
        repr(fit.objective.mean_teacher),
        [share for _, share in fit.objective.teachers],
        min(fit.objective.cache, fit.epochs) if fit.objective.is_cached else 0,
    )
    data = run.data.fingerprint
    models = [model, teacher] if teacher else [model]
    layers = [layer_settings(each) for each in models]
    facts = (type(fit).__name__, settings, objective, layers, run.stage_seed, data)
    digest.update(repr(facts).encode())
    for weight in [weight for each in models for weight in each.get_weights()]:
        digest.update(repr((weight.dtype, weight.shape)).encode())
        digest.update(weight.tobytes())
    return digest.hexdigest()[:16]
