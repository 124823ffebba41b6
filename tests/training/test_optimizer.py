import math

import numpy as np
import pytest
import tensorflow as tf

from tfcompress.training.fit import Fit
from tfcompress.training.optimizer import build_optimizer, cross_entropy
from tfcompress.training.schedules import CosineDecay


@pytest.mark.parametrize(
    ("name", "first_step"),
    # From a zero state: adam and adamw move by the rate, rmsprop (rho 0.9) by
    # rate / sqrt(0.1), Nesterov momentum by rate * (1 + 0.9); gradient 1.
    [
        ("adam", 0.1),
        ("adamw", 0.1),
        ("rmsprop", 0.1 / math.sqrt(0.1)),
        ("sgd", 0.19),
    ],
)
def test_first_step(name, first_step):
    optimizer = build_optimizer(Fit(optimizer=name, learning_rate=0.1), 1)
    weight = tf.Variable(0.0)
    optimizer.build([weight])
    optimizer.apply_gradients([(tf.constant(1.0), weight)])
    assert float(weight) == pytest.approx(-first_step, rel=1e-5)


def test_schedule_is_over_all_steps():
    fit = Fit(epochs=3, optimizer="sgd", learning_rate=CosineDecay(0.4))
    schedule = build_optimizer(fit, steps_per_epoch=10)._learning_rate
    assert float(schedule(15)) == pytest.approx(0.2)
    assert float(schedule(30)) == pytest.approx(0.0, abs=1e-8)


def test_cross_entropy_from_logits():
    logits = tf.constant([[math.log(2.0), 0.0, 0.0]])  # probabilities 1/2, 1/4, 1/4
    plain = cross_entropy()(tf.constant([0]), logits)
    np.testing.assert_allclose(plain, [math.log(2.0)], rtol=1e-6)
    # Smoothed by 0.3 over three classes the target is 0.8, 0.1, 0.1.
    smooth = cross_entropy(0.3)(tf.constant([[0]]), logits)
    expected = 0.8 * math.log(2.0) + 0.2 * math.log(4.0)
    np.testing.assert_allclose(smooth, [expected], rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_weight_decay_takes_its_share_of_a_weight(name):
    # Without a gradient: 2 - 0.1 * 0.25 * 2.
    fit = Fit(optimizer=name, learning_rate=0.1, weight_decay=0.25)
    optimizer = build_optimizer(fit, 1)
    weight = tf.Variable(2.0)
    optimizer.build([weight])
    optimizer.apply_gradients([(tf.constant(0.0), weight)])
    assert float(weight) == pytest.approx(1.95)
