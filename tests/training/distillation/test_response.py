import math

import numpy as np
import pytest
import tensorflow as tf

from tfcompress.errors import InvalidArgumentError
from tfcompress.training.distillation import (
    DecoupledDistillation,
    LogitDistillation,
    LogitMatching,
    PearsonDistillation,
)
from tfcompress.training.distillation.loss import LOGITS
from tfcompress.training.distillation.response import (
    binary_logit_distillation,
    decoupled_distillation,
    logit_distillation,
    pearson_distance,
)

TEACHER = np.array([[2.0, 0.0, -1.0], [0.5, 1.0, 3.0]], np.float32)
STUDENT = np.array([[0.3, 0.1, 0.2], [1.0, -1.0, 0.0]], np.float32)
LABELS = np.array([0, 1])


def value(loss, teacher, student, labels=LABELS):
    outputs = ({LOGITS: tf.constant(x, tf.float32)} for x in (teacher, student))
    return float(loss(*outputs, tf.constant(labels)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def per_pixel(rows):
    """The rows as an image of 1 x 2 pixels."""
    return rows.reshape(1, 1, 2, 3)


def test_hand_numbers():
    # At temperature 2 the teacher says (3/4, 1/4) and the student (1/2, 1/2).
    teacher = tf.constant([[2 * math.log(3.0), 0.0]])
    student = tf.constant([[1.0, 1.0]])
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    loss = logit_distillation(teacher, student, temperature=2.0)
    np.testing.assert_allclose(loss, [4 * divergence], rtol=1e-6)


def test_equal_up_to_a_shift_is_zero():
    logits = tf.constant([[1.0, -2.0, 0.5], [0.0, 0.0, 9.0]])
    loss = logit_distillation(logits, logits + 3.0, temperature=4.0)
    np.testing.assert_allclose(loss, [0.0, 0.0], atol=1e-5)


def test_gradient_flows_into_the_student_alone():
    teacher, student = tf.Variable([[2.0, 0.0]]), tf.Variable([[0.0, 1.0]])
    with tf.GradientTape() as tape:
        loss = logit_distillation(teacher, student, temperature=3.0)
    to_teacher, to_student = tape.gradient(loss, [teacher, student])
    assert to_teacher is None
    # d/ds T^2 KL = T (softmax(s / T) - softmax(t / T))
    p = 1 / (1 + math.exp(-2 / 3))
    q = 1 / (1 + math.exp(1 / 3))
    np.testing.assert_allclose(to_student, [[3 * (q - p), 3 * (p - q)]], rtol=1e-5)


def test_extreme_logits_stay_finite():
    loss = logit_distillation(
        tf.constant([[1e4, -1e4]]), tf.constant([[-1e4, 1e4]]), temperature=1.0
    )
    np.testing.assert_allclose(loss, [2e4], rtol=1e-6)


def test_logits_is_the_mean_over_images_or_pixels():
    p, q = softmax(TEACHER / 2), softmax(STUDENT / 2)
    expected = 4 * (p * np.log(p / q)).sum(-1).mean()
    loss = LogitDistillation(temperature=2.0)
    assert value(loss, TEACHER, STUDENT) == pytest.approx(expected, rel=1e-5)
    pixels = value(loss, per_pixel(TEACHER), per_pixel(STUDENT))
    assert pixels == pytest.approx(expected, rel=1e-5)


def test_sigmoid_sums_the_classes():
    # At temperature 2: yes with 3/4 against 1/2, and 1/2 against 1/2.
    teacher, student = [[2 * math.log(3.0), 0.0]], [[0.0, 0.0]]
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    loss = LogitDistillation(temperature=2.0, activation="sigmoid")
    assert value(loss, teacher, student) == pytest.approx(4 * divergence, rel=1e-5)
    far = binary_logit_distillation(tf.constant([[1e4]]), tf.constant([[-1e4]]), 1.0)
    np.testing.assert_allclose(far, [1e4], rtol=1e-6)


def test_decoupled_by_hand():
    p, q = softmax(TEACHER / 2), softmax(STUDENT / 2)
    target, others = [], []
    for row, label in enumerate(LABELS):
        rest = [k for k in range(3) if k != label]
        t, s = p[row, label], q[row, label]
        target.append(t * np.log(t / s) + (1 - t) * np.log((1 - t) / (1 - s)))
        a, b = p[row, rest] / (1 - t), q[row, rest] / (1 - s)
        others.append((a * np.log(a / b)).sum())
    parts = decoupled_distillation(TEACHER, STUDENT, LABELS, 2.0)
    np.testing.assert_allclose(parts[0], 4 * np.array(target), rtol=1e-4)
    np.testing.assert_allclose(parts[1], 4 * np.array(others), rtol=1e-4)

    loss = DecoupledDistillation(alpha=0.5, beta=3.0, temperature=2.0)
    expected = 4 * (0.5 * np.mean(target) + 3.0 * np.mean(others))
    assert value(loss, TEACHER, STUDENT) == pytest.approx(expected, rel=1e-4)
    pixels = value(loss, per_pixel(TEACHER), per_pixel(STUDENT), [[LABELS]])
    assert pixels == pytest.approx(expected, rel=1e-4)


def test_decoupled_parts_add_up_to_the_whole():
    target, others = decoupled_distillation(TEACHER, STUDENT, LABELS, 3.0)
    true = softmax(TEACHER / 3)[[0, 1], LABELS]
    whole = logit_distillation(TEACHER, STUDENT, 3.0)
    np.testing.assert_allclose(target + (1 - true) * others, whole, rtol=1e-4)


def test_decoupled_gradient_stays_finite_where_the_teacher_is_sure():
    student = tf.Variable(STUDENT)
    with tf.GradientTape() as tape:
        parts = decoupled_distillation(100 * TEACHER, student, LABELS, 1.0)
        loss = tf.add_n(parts)
    assert np.isfinite(tape.gradient(loss, student)).all()


def test_pearson_distance_by_hand():
    # Deviations (-1, 0, 1) and (-1, 1, 0): correlation 1 / (sqrt 2 sqrt 2).
    distance = pearson_distance([[1.0, 2.0, 3.0]], [[4.0, 6.0, 5.0]], axis=1)
    np.testing.assert_allclose(distance, [0.5], rtol=1e-6)
    scaled = pearson_distance([[1.0, 2.0, 3.0]], [[20.0, 30.0, 40.0]], axis=1)
    np.testing.assert_allclose(scaled, [0.0], atol=1e-6)
    constant = pearson_distance([[1.0, 2.0]], [[3.0, 3.0]], axis=1)
    np.testing.assert_allclose(constant, [1.0])


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_pearson_between_and_within_classes(activation):
    activate = softmax if activation == "softmax" else lambda x: 1 / (1 + np.exp(-x))
    p, q = activate(TEACHER / 2), activate(STUDENT / 2)
    between = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)])
    within = np.mean(
        [1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)]
    )
    loss = PearsonDistillation(2.0, 0.5, 3.0, activation)
    expected = 4 * (0.5 * between + 3.0 * within)
    assert value(loss, TEACHER, STUDENT) == pytest.approx(expected, rel=1e-4)
    pixels = value(loss, per_pixel(TEACHER), per_pixel(STUDENT))
    assert pixels == pytest.approx(expected, rel=1e-4)


def test_matching_is_the_mean_square():
    # Differences (1, -2) and (0, 3).
    loss = value(LogitMatching(), [[1.0, 2.0], [0.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]])
    assert loss == pytest.approx((1 + 4 + 0 + 9) / 4)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (LogitDistillation, {"temperature": 0.0}),
        (LogitDistillation, {"activation": "tanh"}),
        (DecoupledDistillation, {"temperature": -1.0}),
        (DecoupledDistillation, {"beta": -1.0}),
        (DecoupledDistillation, {"alpha": 0.0, "beta": 0.0}),
        (PearsonDistillation, {"temperature": 0}),
        (PearsonDistillation, {"within_classes": -0.5}),
        (PearsonDistillation, {"between_classes": 0, "within_classes": 0}),
    ],
)
def test_refuses_values_out_of_range(kind, wrong):
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        kind(**wrong)
