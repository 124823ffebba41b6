import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from PIL import Image

from tfcompress.data import Augmentation, from_arrays, load
from tfcompress.errors import (
    DataError,
    ModelError,
    TrainingError,
)
from tfcompress.run import Run
from tfcompress.training.distillation import (
    FeatureDistillation,
    LogitDistillation,
    LogitMatching,
    MeanTeacher,
)
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train
from tfcompress.training.objectives import Distillation
from tfcompress.training.schedules import CosineDecay

layers = keras.layers


def make_data(images=None, **options):
    random = np.random.default_rng(0)
    labels = np.tile(np.arange(3), 20)
    if images is None:
        images = random.integers(0, 90, (60, 6, 6, 1), dtype=np.uint8)
        images[np.arange(60), 2 * labels] += 150
    return from_arrays(
        (images, labels), (images, labels), (images[:30], labels[:30]), **options
    )


def make_model(seed=0, name="tiny"):
    keras.utils.set_random_seed(seed)
    image = keras.Input((6, 6, 1), name="image")
    x = layers.Conv2D(4, 3, use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(6.0, name="relu")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name=name)


def make_run(workdir, stage="00_training", **options):
    return Run(data=make_data(), workdir=workdir, stage=stage, **options)


def pruned(model):
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, 0.75, 0, 8, frequency=2)
    return keras.models.clone_model(
        model,
        clone_function=lambda layer: (
            tfmot.sparsity.keras.prune_low_magnitude(layer, schedule)
            if layer.name in ("conv", "logits")
            else layer
        ),
    )


def plain():
    return make_model(), []


def pruning():
    model = make_model()
    wrapped = pruned(model)
    return wrapped, [tfmot.sparsity.keras.UpdatePruningStep()]


def quantization_aware():
    return tfmot.quantization.keras.quantize_model(make_model()), []


class StopAt(keras.callbacks.Callback):
    """Ends a training in the middle of an epoch, as Ctrl-C would."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch
        self.reached = -1

    def on_epoch_begin(self, epoch, logs=None):
        self.reached = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.reached == self.epoch and batch == 1:
            raise KeyboardInterrupt


class CountEpochs(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append(epoch)


class KeepScale(keras.callbacks.Callback):
    """Keeps by what the loss is multiplied at the start."""

    def on_train_begin(self, logs=None):
        self.first = float(self.model.optimizer.loss_scale)


class KeepWeights(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


def assert_same(weights, expected):
    for weight, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(weight, other)


FIT = Fit(
    epochs=4,
    batch_size=16,
    learning_rate=CosineDecay(0.02, warmup_epochs=0.5),
    label_smoothing=0.1,
    restore_best_weights=True,
)


def test_learns_and_returns_what_each_epoch_measured(tmp_path):
    model = make_model()
    fit = Fit(epochs=6, batch_size=16, learning_rate=0.02)
    history = train(model, make_run(tmp_path), fit)
    assert len(history.epochs) == 6
    assert history.epochs[-1]["val_accuracy"] > 0.9
    assert set(history.epochs[0]) == {
        *("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    }
    logits = model.predict(make_data().batches("validation"), verbose=0)
    labels = make_data().validation.labels
    reached = np.mean(logits.argmax(-1) == labels)
    assert history.epochs[-1]["val_accuracy"] == pytest.approx(reached)


def test_leaves_the_model_uncompiled_and_dropout_as_it_was(tmp_path):
    model = make_model()
    config, generator = model.get_config(), model.get_layer("drop")._random_generator
    train(model, make_run(tmp_path), Fit(batch_size=16))
    assert getattr(model, "optimizer", None) is None
    assert model.get_layer("drop")._random_generator is generator
    assert model.get_config() == config


def test_no_epochs_change_and_write_nothing(tmp_path):
    model = make_model()
    before = model.get_weights()
    assert train(model, make_run(tmp_path), Fit(epochs=0)).epochs == ()
    assert_same(model.get_weights(), before)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "distilled"),
    [(plain, False), (pruning, True), (quantization_aware, True)],
)
def test_interrupted_ends_as_uninterrupted(tmp_path, make, distilled):
    objective = Distillation(make_model(7, "teacher")) if distilled else None
    fit = Fit(
        epochs=4, batch_size=16, learning_rate=CosineDecay(0.02), objective=objective
    )
    whole, callbacks = make()
    expected = train(whole, make_run(tmp_path / "a"), fit, callbacks)

    stopped, callbacks = make()
    with pytest.raises(KeyboardInterrupt):
        train(stopped, make_run(tmp_path / "b"), fit, [*callbacks, StopAt(2)])
    resumed, callbacks = make()
    counter = CountEpochs()
    history = train(resumed, make_run(tmp_path / "b"), fit, [*callbacks, counter])

    assert counter.epochs == [2, 3]
    assert history == expected
    assert len(history.epoch_seconds) == 4
    assert history.seconds == sum(history.epoch_seconds) > max(history.epoch_seconds)
    assert not any("second" in name for name in history.epochs[0])
    assert_same(resumed.get_weights(), whole.get_weights())


def with_features(**options):
    """Compares layers through a projection, with weights that change by the step."""
    losses = (
        (LogitDistillation(), CosineDecay(0.9, warmup_epochs=0.5)),
        (FeatureDistillation("relu", "norm"), 0.5),
    )
    objective = Distillation(make_model(7, "teacher"), losses=losses)
    return Fit(epochs=3, batch_size=16, objective=objective, **options)


def test_interrupted_with_a_projection_ends_as_uninterrupted(tmp_path):
    fit = with_features(restore_best_weights=True)
    whole, resumed = pruned(make_model()), pruned(make_model())
    update = tfmot.sparsity.keras.UpdatePruningStep
    expected = train(whole, make_run(tmp_path / "a"), fit, [update()])
    with pytest.raises(KeyboardInterrupt):
        stopped = pruned(make_model())
        train(stopped, make_run(tmp_path / "b"), fit, [update(), StopAt(1)])
    counter = CountEpochs()
    history = train(resumed, make_run(tmp_path / "b"), fit, [update(), counter])
    assert counter.epochs == [1, 2]
    assert history == expected
    assert_same(resumed.get_weights(), whole.get_weights())
    first, *_, last = (epoch["feature_distillation_relu"] for epoch in history.epochs)
    assert last < first


@pytest.mark.parametrize("teacher", ["cached", "online", "mean"])
def test_interrupted_on_other_views_ends_as_uninterrupted(tmp_path, teacher):
    source = MeanTeacher(0.9) if teacher == "mean" else make_model(7, "teacher")
    objective = Distillation(source, cache=2 if teacher == "cached" else 0)
    fit = Fit(epochs=4, batch_size=16, objective=objective)
    data = make_data(augmentation=Augmentation(shift=1))

    def trained(folder, *callbacks):
        model = make_model()
        run = Run(data=data, workdir=tmp_path / folder, stage="00_training")
        return model, train(model, run, fit, callbacks)

    whole, expected = trained("a")
    with pytest.raises(KeyboardInterrupt):
        trained("b", StopAt(3))
    resumed, history = trained("b")
    assert history == expected
    assert_same(resumed.get_weights(), whole.get_weights())


@pytest.mark.parametrize(
    "losses",
    [((LogitMatching(), 0.9),), ((LogitDistillation(), 0.5),)],
)
def test_checkpoint_of_other_losses_is_not_used(tmp_path, losses):
    teacher = make_model(7, "teacher")
    fit = Fit(batch_size=16, objective=Distillation(teacher))
    train(make_model(), make_run(tmp_path), fit)
    other = Fit(batch_size=16, objective=Distillation(teacher, losses=losses))
    counter = CountEpochs()
    train(make_model(), make_run(tmp_path), other, [counter])
    assert counter.epochs == [0]


def named_teacher(seed=7, bound=6.0):
    """Returns teachers of which the bound of the ReLU is in no weight."""
    teacher = make_model(seed, "teacher")
    teacher.get_layer("relu").max_value = bound
    return {"teacher": teacher}


@pytest.mark.parametrize("other", [{"seed": 8}, {"bound": 0.1}])
def test_checkpoint_of_another_teacher_of_that_name_is_not_used(tmp_path, other):
    run = make_run(tmp_path, teachers=named_teacher())
    fit = Fit(batch_size=16, objective=Distillation("teacher"))
    before = train(make_model(), run, fit)
    same = replace(run, teachers=named_teacher(), facts={})
    assert train(make_model(), same, fit) == before
    assert "seconds_before" in same.facts
    changed = replace(run, teachers=named_teacher(**other), facts={})
    assert train(make_model(), changed, fit) != before
    assert "seconds_before" not in changed.facts


def test_checkpoint_of_another_student_is_not_used(tmp_path):
    """Of equal weights: the bound of its ReLU is in none of them."""
    run, other = make_run(tmp_path), make_model()
    before = train(make_model(), run, Fit(batch_size=16))
    other.get_layer("relu").max_value = 0.1
    changed = replace(run, facts={})
    assert train(other, changed, Fit(batch_size=16)) != before
    assert "seconds_before" not in changed.facts


def test_interrupted_in_half_precision_ends_as_uninterrupted(tmp_path):
    """The loss is scaled down where float16 overflows: the scale goes on, too."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        teacher = make_model(7, "teacher")
        # The first scale is 2^15: gradients above 2 are infinite in float16.
        losses = ((LogitDistillation(), 30.0),)
        objective = Distillation(teacher, losses=losses, cache=0)
        fit = Fit(epochs=3, batch_size=16, objective=objective)
        whole, resumed = make_model(), make_model()
        expected = train(whole, make_run(tmp_path / "a"), fit)
        with pytest.raises(KeyboardInterrupt):
            train(make_model(), make_run(tmp_path / "b"), fit, [StopAt(1)])
        scale = KeepScale()
        history = train(resumed, make_run(tmp_path / "b"), fit, [scale])
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert scale.first < 2.0**15
    assert history == expected
    assert_same(resumed.get_weights(), whole.get_weights())


def test_layer_that_does_not_exist_is_refused_before_anything_is_written(tmp_path):
    losses = ((FeatureDistillation("relu", "conf"), 1.0),)
    objective = Distillation(make_model(7, "teacher"), losses=losses)
    with pytest.raises(ModelError, match=r"no layer 'conf' .* Did you mean 'conv'\?"):
        train(make_model(), make_run(tmp_path), Fit(objective=objective))
    assert not any(tmp_path.iterdir())


def test_pruning_under_distillation_reaches_its_sparsity(tmp_path):
    model, callbacks = pruning()
    fit = Fit(epochs=4, batch_size=16, objective=Distillation(make_model(7, "teacher")))
    train(model, make_run(tmp_path), fit, callbacks)
    stripped = tfmot.sparsity.keras.strip_pruning(model)
    for name in ("conv", "logits"):
        kernel = stripped.get_layer(name).get_weights()[0]
        # 36 and 192 weights: three quarters are whole numbers.
        assert np.count_nonzero(kernel) == kernel.size // 4


def test_killed_process_resumes_bit_identically_in_another(tmp_path):
    script = (
        "import importlib.util, os, sys\n"
        "spec = importlib.util.spec_from_file_location('loop_tests', sys.argv[1])\n"
        "tests = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(tests)\n"
        "class Kill(tests.StopAt):\n"
        "    def on_train_batch_end(self, batch, logs=None):\n"
        "        if self.reached == 2: os.kill(os.getpid(), 9)\n"
        "tests.train(tests.make_model(), tests.make_run(sys.argv[2]), tests.FIT,\n"
        "            [Kill(2)])\n"
    )
    command = [sys.executable, "-c", script, __file__, str(tmp_path / "killed")]
    child = subprocess.run(command, capture_output=True, check=False)
    assert child.returncode == -9, child.stderr.decode()

    whole, resumed = make_model(), make_model()
    expected = train(whole, make_run(tmp_path / "whole"), FIT)
    counter = CountEpochs()
    history = train(resumed, make_run(tmp_path / "killed"), FIT, [counter])
    assert history == expected
    assert counter.epochs == [2, 3]
    assert_same(resumed.get_weights(), whole.get_weights())


def test_finished_training_is_not_repeated(tmp_path):
    first, again = make_model(), make_model()
    train(first, make_run(tmp_path), FIT)
    counter = CountEpochs()
    train(again, make_run(tmp_path), FIT, [counter])
    assert counter.epochs == []
    assert_same(again.get_weights(), first.get_weights())


@pytest.mark.parametrize(
    ("seed", "fit"),
    [(0, Fit(epochs=2, batch_size=16, learning_rate=0.5)), (1, FIT)],
)
def test_checkpoint_of_another_training_is_not_used(tmp_path, seed, fit):
    train(make_model(), make_run(tmp_path / "used"), FIT)
    expected, model = make_model(seed), make_model(seed)
    train(expected, make_run(tmp_path / "fresh"), fit)
    train(model, make_run(tmp_path / "used"), fit)
    assert_same(model.get_weights(), expected.get_weights())


@pytest.mark.parametrize("changed", ["labels", "images", "augmentation"])
def test_checkpoint_of_another_data_set_of_equal_counts_is_not_used(tmp_path, changed):
    data = make_data()
    if changed == "labels":
        train_split = replace(data.train, labels=(data.train.labels + 1) % 3)
        other = replace(data, train=train_split)
    elif changed == "images":
        other = make_data(255 - data.train.images)
    else:
        other = replace(data, augmentation=Augmentation(shift=1))
    assert other.summary() == data.summary()
    train(make_model(), make_run(tmp_path), FIT)
    counter = CountEpochs()
    run = Run(data=other, workdir=tmp_path, stage="00_training")
    train(make_model(), run, FIT, [counter])
    assert counter.epochs == [0, 1, 2, 3]


class BreakAt(keras.callbacks.Callback):
    """Breaks what training needs when an epoch begins."""

    def __init__(self, epoch, function):
        super().__init__()
        self.epoch = epoch
        self.function = function

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            self.function()


def remove_and_cut(paths):
    paths[0].unlink()
    for path in paths[1:]:
        os.truncate(path, 20)


def test_picture_that_breaks_during_training_is_named(tmp_path):
    for index in range(60):
        folder = tmp_path / "pictures" / "abc"[index % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 6), 4 * index).save(folder / f"{index}.png")
    data = load(f"folder:{tmp_path / 'pictures'}")
    paths = data.validation.images.paths
    breaker = BreakAt(1, lambda: remove_and_cut(paths))
    model, keep = make_model(), KeepWeights()
    run = Run(data=data, workdir=tmp_path / "run", stage="00_training")
    with pytest.raises(DataError, match="not a readable PNG") as error:
        train(model, run, Fit(epochs=3, batch_size=16), [breaker, keep])
    assert str(tmp_path / "pictures") in str(error.value)
    assert "\n" not in str(error.value)
    assert_same(model.get_weights(), keep.weights[0])


def test_other_failure_of_tensorflow_is_one_line(tmp_path):
    def fail():
        tf.io.read_file(str(tmp_path / "none"))

    with pytest.raises(TrainingError, match="'00_training'") as error:
        train(make_model(), make_run(tmp_path), FIT, [BreakAt(0, fail)])
    assert f"{tmp_path / 'none'}; No such file or directory; " in str(error.value)
    assert "\n" not in str(error.value)


def test_outside_a_pipeline_no_checkpoint_is_left(tmp_path):
    train(make_model(), make_run(tmp_path, stage=""), Fit(batch_size=16))
    assert not list(tmp_path.rglob("ckpt*"))


def test_cut_checkpoint_costs_an_epoch_and_no_more(tmp_path):
    whole, model = make_model(), make_model()
    train(whole, make_run(tmp_path / "whole"), FIT)
    with pytest.raises(KeyboardInterrupt):
        train(make_model(), make_run(tmp_path / "cut"), FIT, [StopAt(2)])
    (path,) = (tmp_path / "cut").rglob("ckpt-2.data*")
    os.truncate(path, path.stat().st_size // 2)
    counter = CountEpochs()
    train(model, make_run(tmp_path / "cut"), FIT, [counter])
    assert counter.epochs == [1, 2, 3]
    assert_same(model.get_weights(), whole.get_weights())


def test_best_weights_are_restored(tmp_path):
    # A rate this high makes some epoch worse than the one before.
    fit = Fit(epochs=5, batch_size=16, learning_rate=0.5, restore_best_weights=True)
    model, keep = make_model(), KeepWeights()
    history = train(model, make_run(tmp_path), fit, [keep])
    assert history.best_epoch < 4
    assert_same(model.get_weights(), keep.weights[history.best_epoch])


def test_model_must_fit_the_data_and_output_logits(tmp_path):
    small = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten()])
    with pytest.raises(ModelError, match=r"\(4, 4, 1\)"):
        train(small, make_run(tmp_path), Fit())
    image = keras.Input((6, 6, 1))
    x = layers.Dense(3, "softmax", name="probabilities")(layers.Flatten()(image))
    with pytest.raises(ModelError, match="'probabilities' is a softmax"):
        train(keras.Model(image, x), make_run(tmp_path), Fit())
    assert not any(tmp_path.iterdir())
