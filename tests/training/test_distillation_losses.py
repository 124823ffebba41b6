import math

import numpy as np
import tensorflow as tf

from tfcompress.training.distillation_losses import logit_distillation


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
