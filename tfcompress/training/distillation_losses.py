"""Distillation losses, as pure functions of the two models' outputs."""

from __future__ import annotations

import tensorflow as tf


def logit_distillation(
    teacher_logits: tf.Tensor, student_logits: tf.Tensor, temperature: float
) -> tf.Tensor:
    """Returns `T^2 KL(softmax(teacher / T) || softmax(student / T))`, one an example.

    The factor `T^2` keeps the gradient's size while the temperature changes.

    Args:
      teacher_logits: float32, `(batch, classes)`; no gradient flows into them.
      student_logits: float32, `(batch, classes)`.
      temperature: above 0.

    Returns:
      float32 `(batch,)`, in nats times `temperature ** 2`; 0 where both agree.

    References:
      Hinton, Vinyals and Dean, arXiv 1503.02531, section 2, equation 1.
    """
    teacher_logits = tf.stop_gradient(teacher_logits)
    teacher_log = tf.nn.log_softmax(teacher_logits / temperature)
    student_log = tf.nn.log_softmax(student_logits / temperature)
    divergence = tf.reduce_sum(tf.exp(teacher_log) * (teacher_log - student_log), -1)
    return temperature**2 * divergence
