import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.run import Run
from tfcompress.training.fit import Fit
from tfcompress.training.freezing import Freezing
from tfcompress.training.loop import train
from tfcompress.training.objectives import Distillation
from tfcompress.training.schedules import CosineDecay

BODY = ("stem_conv", "stem_norm", "block_depthwise", "block_norm", "block_project")


class Watch(keras.callbacks.Callback):
    """Keeps the body's weights at the end of each epoch; stops in one of them."""

    def __init__(self, model, stop=None):
        super().__init__()
        self.body = [model.get_layer(name) for name in BODY]
        self.stop = stop
        self.weights = []
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.stop and batch == 1:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        weights = [weight.numpy() for layer in self.body for weight in layer.weights]
        self.weights.append(weights)


def body_of(model):
    return [w.numpy() for name in BODY for w in model.get_layer(name).weights]


def freezing(model, thaw_after):
    return Freezing([model.get_layer(name) for name in BODY], thaw_after)


def fit(epochs=4, **options):
    rate = CosineDecay(0.02, warmup_epochs=0.5)
    return Fit(epochs=epochs, batch_size=24, learning_rate=rate, **options)


def run_in(folder):
    return Run(data=tiny.data(), workdir=folder, stage="00_training")


def same(one, two):
    return [np.array_equal(a, b) for a, b in zip(one, two, strict=True)]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_frozen_layers_keep_every_bit_and_thawed_ones_learn(tmp_path, optimizer):
    model = tiny.model()
    before, head = body_of(model), model.get_layer("logits").get_weights()
    watch = Watch(model)
    callbacks = [freezing(model, 2), watch]
    train(model, run_in(tmp_path), fit(3, optimizer=optimizer), callbacks)
    assert all(same(watch.weights[0], before))
    assert all(same(watch.weights[1], before))
    assert not any(same(watch.weights[2], before))
    assert not any(same(model.get_layer("logits").get_weights(), head))
    assert all(layer.trainable for layer in model.layers)


def test_without_thawing_only_the_rest_learns(tmp_path):
    model = tiny.model()
    before, head = body_of(model), model.get_layer("logits").get_weights()
    train(model, run_in(tmp_path), fit(2), [freezing(model, None)])
    assert all(same(body_of(model), before))
    assert not any(same(model.get_layer("logits").get_weights(), head))
    assert all(layer.trainable for layer in model.layers)


@pytest.mark.parametrize(("stop", "distilled"), [(1, True), (3, False)])
def test_interrupted_before_and_after_the_thaw_ends_alike(tmp_path, stop, distilled):
    objective = Distillation(tiny.model(seed=7)) if distilled else None
    settings = fit(objective=objective, restore_best_weights=True)
    whole = tiny.model()
    expected = train(whole, run_in(tmp_path / "a"), settings, [freezing(whole, 2)])

    stopped = tiny.model()
    callbacks = [freezing(stopped, 2), Watch(stopped, stop)]
    with pytest.raises(KeyboardInterrupt):
        train(stopped, run_in(tmp_path / "b"), settings, callbacks)
    resumed = tiny.model()
    watch = Watch(resumed)
    callbacks = [freezing(resumed, 2), watch]
    history = train(resumed, run_in(tmp_path / "b"), settings, callbacks)
    assert len(watch.weights) == 4 - stop
    assert history == expected
    assert all(same(resumed.get_weights(), whole.get_weights()))
