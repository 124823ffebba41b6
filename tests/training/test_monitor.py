import io
import itertools
import resource

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny

from tfcompress.data import from_arrays
from tfcompress.errors import TrainingError, WorkdirError
from tfcompress.run import Run
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train
from tfcompress.training.progress import Progress


def make_run(workdir, data=None, **options):
    data = data or tiny.data(validation_fraction=0.25)
    return Run(data=data, workdir=workdir, stage="00_training", **options)


def assert_same(weights, expected):
    for weight, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(weight, other)


class Keep(keras.callbacks.Callback):
    """Keeps the weights after each epoch; breaks a kernel when an epoch begins."""

    def __init__(self, break_at=None):
        super().__init__()
        self.break_at = break_at
        self.weights = []

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.break_at:
            kernel = self.model.get_layer("logits").kernel
            kernel.assign(np.full(kernel.shape, np.inf))

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


def test_nan_loss_stops_and_gives_the_last_epoch_back(tmp_path):
    model, keep = tiny.model(), Keep(break_at=2)
    # 54 images to train on, 18 a step.
    with pytest.raises(TrainingError, match="step 1 of 3 of epoch 3 of 4") as error:
        train(model, make_run(tmp_path), Fit(epochs=4, batch_size=18), [keep])
    assert "'00_training'" in str(error.value)
    assert "\n" not in str(error.value)
    assert_same(model.get_weights(), keep.weights[1])
    assert len(list(tmp_path.rglob("ckpt-2.index"))) == 1


def test_nan_in_the_first_epoch_gives_the_first_weights_back(tmp_path):
    images, labels = tiny.arrays()
    images = images * np.float32(1e36)
    data = from_arrays((images, labels), (images, labels))
    model = tiny.model()
    before = model.get_weights()
    with pytest.raises(TrainingError, match=r"epoch 1 of 2.*learning_rate \(now 0.01"):
        train(
            model,
            make_run(tmp_path, data),
            Fit(epochs=2, batch_size=18, learning_rate=0.01),
        )
    assert_same(model.get_weights(), before)
    assert not list(tmp_path.rglob("ckpt*"))


def test_weights_broken_by_the_last_step_are_not_kept(tmp_path):
    class Break(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.get_layer("logits").bias.assign([0.0, np.nan, 0.0])

    with pytest.raises(TrainingError, match="the end of epoch 1 of 1"):
        train(tiny.model(), make_run(tmp_path), Fit(batch_size=18), [Break()])
    assert not list(tmp_path.rglob("ckpt*"))


def test_early_stopping_counts_from_the_best_epoch(tmp_path):
    class Spoil(keras.callbacks.Callback):
        """Makes each epoch but the first say the same to everything, louder."""

        def on_epoch_begin(self, epoch, logs=None):
            self.model.get_layer("logits").bias.assign([0.0, 50.0 * epoch, 0.0])

    fit = Fit(
        epochs=9, batch_size=18, early_stopping=2, optimizer="sgd", learning_rate=1e-6
    )
    history = train(tiny.model(), make_run(tmp_path), fit, [Spoil()])
    assert history.best_epoch == 0
    assert len(history.epochs) == 3


def test_tensorboard_scalars(tmp_path):
    run = make_run(tmp_path)
    history = train(tiny.model(), run, Fit(epochs=2, batch_size=18))
    (path,) = run.tensorboard_dir.glob("events.out.tfevents.*")
    logged = {
        (value.tag, event.step): float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert logged == {
        (f"{split}/{name}", step): pytest.approx(metrics[prefix + name])
        for step, metrics in enumerate(history.epochs, start=1)
        for split, prefix, names in (
            ("train", "", ("loss", "accuracy", "learning_rate")),
            ("validation", "val_", ("loss", "accuracy")),
        )
        for name in names
    }


def test_progress_counts_every_step_once_also_when_resumed(tmp_path):
    class Counting(Progress):
        def __init__(self):
            super().__init__(stream=io.StringIO())
            self.made = self.skipped = 0

        def step(self, n=1):
            self.made += n
            super().step(n)

        def skip(self, n):
            self.skipped += n
            super().skip(n)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if next(self.batches) == 4:
                raise KeyboardInterrupt

        batches = itertools.count()

    fit = Fit(epochs=3, batch_size=18)
    with pytest.raises(KeyboardInterrupt):
        train(tiny.model(), make_run(tmp_path), fit, [Stop()])
    progress = Counting()
    train(tiny.model(), make_run(tmp_path, progress=progress), fit)
    assert (progress.skipped, progress.made) == (3, 6)


def test_event_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "tensorboard").write_text("a file where a folder should be")
    with pytest.raises(WorkdirError, match="tensorboard/00_training") as error:
        train(tiny.model(), make_run(tmp_path), Fit(batch_size=18))
    assert "\n" not in str(error.value)


def test_disk_that_fills_with_events_keeps_the_checkpoints(tmp_path):
    class Fill(keras.callbacks.Callback):
        """Lets no file grow over a byte from the second epoch on: a full disk."""

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1, limit[1]))

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(
            WorkdirError, match=": Could not flush events file; check"
        ) as error:
            train(
                tiny.model(), make_run(tmp_path), Fit(epochs=3, batch_size=18), [Fill()]
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "\n" not in str(error.value)
    assert [path.stem for path in tmp_path.rglob("ckpt*.index")] == ["ckpt-1"]
