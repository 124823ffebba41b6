import numpy as np
import pytest
import tensorflow as tf

from tfcompress.errors import ModelError
from tfcompress.training.distillation import AttentionTransfer, FeatureDistillation
from tfcompress.training.distillation.feature import (
    attention_distance,
    feature_distance,
    resize_to,
)


def tensors(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def test_feature_distance_by_hand():
    # Differences (1, -2), (0, 3).
    theirs, ours = (
        tf.constant([[1.0, 2.0], [0.0, 0.0]]),
        tf.constant([[2.0, 0], [0, 3]]),
    )
    assert float(feature_distance(theirs, ours)) == pytest.approx((1 + 4 + 0 + 9) / 4)
    theirs, ours = tensors(2, 3, 3, 4), tensors(2, 3, 3, 4, seed=1)
    expected = np.square(theirs - ours).mean()
    assert float(feature_distance(theirs, ours)) == pytest.approx(expected, rel=1e-5)


def test_maps_of_other_sizes_are_resized_to_the_teacher():
    # Half the size, by half-pixel centres: each pixel is the mean of four.
    ours = tf.reshape(tf.range(16.0), (1, 4, 4, 1))
    like = tf.zeros((1, 2, 2, 1))
    means = [[2.5, 4.5], [10.5, 12.5]]
    np.testing.assert_allclose(resize_to(ours, like)[0, :, :, 0], means)
    assert float(feature_distance(like, ours)) == pytest.approx(np.square(means).mean())


def test_attention_by_hand():
    # Sums of squares over the channels: (5, 0) and (0, 4): they share no place.
    theirs = tf.constant([[[[1.0, 2.0], [0.0, 0.0]]]])
    ours = tf.constant([[[[0.0], [2.0]]]])
    assert float(attention_distance(theirs, ours)) == pytest.approx(2.0)
    # (3, 4) / 5 against (1, 0).
    theirs = tf.sqrt([[[[3.0], [4.0]]]])
    ours = tf.constant([[[[2.0], [0.0]]]])
    expected = (1 - 0.6) ** 2 + 0.8**2
    assert float(attention_distance(theirs, ours)) == pytest.approx(expected, rel=1e-5)
    # Scale does not matter, and the power does: (9, 16) / sqrt 337.
    expected = (1 - 9 / 337**0.5) ** 2 + (16 / 337**0.5) ** 2
    fourth = attention_distance(7 * theirs, ours, power=4.0)
    assert float(fourth) == pytest.approx(expected, rel=1e-5)


def test_attention_is_resized_after_the_channels_are_summed():
    ours, theirs = tensors(2, 4, 4, 3), tensors(2, 2, 2, 5, seed=1)
    attention = np.square(ours).sum(-1).reshape(2, 2, 2, 2, 2).mean((2, 4))
    other = np.square(theirs).sum(-1)
    attention /= np.sqrt(np.square(attention).sum((1, 2), keepdims=True))
    other /= np.sqrt(np.square(other).sum((1, 2), keepdims=True))
    expected = np.square(other - attention).sum((1, 2)).mean()
    loss = AttentionTransfer("a", "b")({"b": theirs}, {"a": ours}, None)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("ours", "theirs", "channels"),
    [
        ((None, 8, 8, 4), (None, 4, 4, 16), 16),
        ((None, None, None, 4), (None, 4, 4, 4), 4),
        ((None, 32), (None, 64), 64),
        ((None, 49, 8), (None, 49, 24), 24),
    ],
)
def test_pairs_that_fit_by_a_projection(ours, theirs, channels):
    loss = FeatureDistillation("block5", "conv4")
    assert loss.reconcile({"block5": ours}, {"conv4": theirs}) == {"block5": channels}


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"),
    [
        (FeatureDistillation, (None, 8, 8, 4), (None, 64)),
        (FeatureDistillation, (None, 49, 8), (None, 50, 8)),
        (FeatureDistillation, (None, 8, 8, 4), (None, 8, 8, None)),
        (FeatureDistillation, (None, 8, 8, None), (None, 8, 8, 4)),
        (AttentionTransfer, (None, 4), (None, 4)),
        (AttentionTransfer, (None, 8, 8, 4), (None, 64)),
    ],
)
def test_pairs_that_do_not_fit(kind, ours, theirs):
    message = f"{kind.__name__} cannot compare the student's 'block5' .*'conv4'"
    with pytest.raises(ModelError, match=message) as error:
        kind("block5", "conv4").reconcile({"block5": ours}, {"conv4": theirs})
    assert str(ours) in str(error.value)


@pytest.mark.parametrize("distance", [feature_distance, attention_distance])
def test_gradient_flows_into_the_student_alone(distance):
    teacher = tf.Variable(tensors(2, 3, 3, 4))
    student = tf.Variable(tensors(2, 3, 3, 4, seed=1))
    with tf.GradientTape() as tape:
        loss = distance(teacher, student)
    to_teacher, to_student = tape.gradient(loss, [teacher, student])
    assert to_teacher is None
    assert np.abs(to_student).max() > 0
