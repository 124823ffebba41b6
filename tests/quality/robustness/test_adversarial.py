import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfcompress.quality.robustness.adversarial import fgsm, loss_of, pgd

DRAWS = tf.constant(np.random.default_rng(0).random((3, 2), np.float32))
LABELS = tf.constant([0, 1, 0])
# Logits of two classes: class 1 gets the sum of weights times pixels.
WEIGHTS = np.random.default_rng(1).normal(size=(4, 4, 1)).astype(np.float32)


def linear(images, training):
    assert training is False
    score = tf.reduce_sum(images * WEIGHTS, axis=[1, 2, 3])
    return tf.stack([tf.zeros_like(score), score], axis=1)


def pixels(value=0.5):
    return tf.fill((3, 4, 4, 1), value)


def test_fgsm_goes_by_epsilon_against_the_label():
    changed = fgsm(loss_of(linear, (0, 1), True), pixels(), LABELS, 0.1, DRAWS)
    up = 0.1 * np.sign(WEIGHTS)
    expected = 0.5 + np.stack([up, -up, up])
    np.testing.assert_allclose(changed, expected, atol=1e-6)


def test_fgsm_stays_in_the_range_of_pixels():
    changed = fgsm(loss_of(linear, (0, 1), True), pixels(0.95), LABELS, 0.1, DRAWS)
    assert changed.numpy().max() == 1


def test_pgd_reaches_the_corner_where_the_loss_of_a_linear_model_is_highest():
    loss = loss_of(linear, (0, 1), True)
    changed = tf.function(pgd)(loss, pixels(), LABELS, tf.constant(0.1), DRAWS)
    expected = fgsm(loss, pixels(), LABELS, 0.1, DRAWS)
    np.testing.assert_allclose(changed, expected, atol=1e-6)


def test_pgd_raises_the_loss_more_than_fgsm_and_stays_within_epsilon():
    images = tf.constant(np.random.default_rng(2).random((3, 8, 8, 1), np.float32))
    loss, epsilon = loss_of(tiny.model(), (0, 1), True), tf.constant(0.1)
    attacked = {
        attack.__name__: attack(loss, images, LABELS, epsilon, DRAWS)
        for attack in (fgsm, pgd)
    }
    for changed in attacked.values():
        assert np.abs(changed - images).max() <= 0.1 + 1e-6
        assert changed.numpy().min() >= 0 and changed.numpy().max() <= 1
    before, one_step, ten = (
        float(tf.reduce_sum(loss(x, LABELS))) for x in (images, *attacked.values())
    )
    assert before < one_step < ten


def test_pgd_starts_where_the_draws_say():
    def flat(images, training):
        return tf.zeros((3, 2)) * tf.reduce_sum(images)

    loss = loss_of(flat, (0, 1), True)
    one = pgd(loss, pixels(), LABELS, 0.1, DRAWS).numpy()
    again = pgd(loss, pixels(), LABELS, 0.1, DRAWS).numpy()
    other = pgd(loss, pixels(), LABELS, 0.1, 1 - DRAWS).numpy()
    # Without a gradient it stays at the start, which is uniform within epsilon.
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.05
    assert (one - 0.5).std() == pytest.approx(0.1 / np.sqrt(3), rel=0.2)


def test_loss_is_cross_entropy_of_logits_or_probabilities():
    def probabilities(images, training):
        return tf.nn.softmax(linear(images, training))

    images = tf.constant(np.random.default_rng(3).random((3, 4, 4, 1), np.float32))
    of_logits = loss_of(linear, (0, 1), True)(images, LABELS)
    score = np.sum(images.numpy() * WEIGHTS, axis=(1, 2, 3))
    # log(exp(0) + exp(score)) - the logit of the label.
    expected = np.log(1 + np.exp(score)) - score * LABELS.numpy()
    np.testing.assert_allclose(of_logits, expected, rtol=1e-5)
    given = loss_of(probabilities, (0, 1), False)(images, LABELS)
    np.testing.assert_allclose(given, expected, rtol=1e-5)


def test_images_reach_the_model_in_the_range_it_knows():
    images = pixels(0.25)
    wide = loss_of(linear, (-1, 3), True)(images, LABELS)
    # 0.25 of the way from -1 to 3 is 0.
    np.testing.assert_allclose(wide, np.full(3, np.log(2)), atol=1e-6)
