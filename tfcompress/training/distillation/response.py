"""Response distillation: the student learns what its teacher answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from tfcompress.field_types import check_types, refusal
from tfcompress.training.distillation.loss import LOGITS, DistillationLoss, Outputs

_NEVER = -1e9  # a logit of no probability, with which arithmetic is still possible


def logit_distillation(
    teacher_logits: tf.Tensor, student_logits: tf.Tensor, temperature: float
) -> tf.Tensor:
    """Returns `T^2 KL(softmax(teacher / T) || softmax(student / T))`, one an example.

    The factor `T^2` keeps the gradient's size while the temperature changes.

    Args:
      teacher_logits: float32, `(batch, classes)` or, of each pixel,
        `(batch, height, width, classes)`; no gradient flows into them.
      student_logits: float32, of the same shape.
      temperature: above 0.

    Returns:
      float32 `(batch,)` or `(batch, height, width)`, in nats times `temperature ** 2`;
      0 where both agree.

    References:
      Hinton, Vinyals and Dean, arXiv 1503.02531, section 2, equation 1.
    """
    teacher_logits = tf.stop_gradient(teacher_logits)
    teacher_log = tf.nn.log_softmax(teacher_logits / temperature)
    student_log = tf.nn.log_softmax(student_logits / temperature)
    return temperature**2 * _divergence(teacher_log, student_log)


def binary_logit_distillation(
    teacher_logits: tf.Tensor, student_logits: tf.Tensor, temperature: float
) -> tf.Tensor:
    """Returns `T^2 KL` of the yes or no of each class, summed over the classes.

    For outputs that go through a sigmoid: classes that do not exclude each other.

    Args:
      teacher_logits: float32, `(..., classes)`; no gradient flows into them.
      student_logits: float32, of the same shape.
      temperature: above 0.

    Returns:
      float32 `(...)`, in nats times `temperature ** 2`; 0 where both agree.
    """
    teacher = tf.stop_gradient(teacher_logits) / temperature
    student = student_logits / temperature
    yes_and_no = (
        tf.stack([tf.math.log_sigmoid(x), tf.math.log_sigmoid(-x)], axis=-1)
        for x in (teacher, student)
    )
    return temperature**2 * tf.reduce_sum(_divergence(*yes_and_no), axis=-1)


def decoupled_distillation(
    teacher_logits: tf.Tensor,
    student_logits: tf.Tensor,
    labels: tf.Tensor,
    temperature: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the two parts of `T^2 KL(teacher || student)`, one an example.

    KL is the first plus `1 - p` times the second, where `p` is the probability that
    the teacher gives to the true class.

    Args:
      teacher_logits: float32, `(..., classes)`; no gradient flows into them.
      student_logits: float32, of the same shape.
      labels: class ids, one for each row of logits.
      temperature: above 0.

    Returns:
      The divergence of "the true class or another", and that of the other classes
      among themselves: float32 `(...)`, in nats times `temperature ** 2`.

    References:
      Zhao et al., "Decoupled Knowledge Distillation", arXiv 2203.08679, section 3.1.
    """
    rows = tf.shape(student_logits)[:-1]
    classes = tf.reshape(tf.cast(labels, tf.int32), rows)
    is_true = tf.one_hot(
        classes, student_logits.shape[-1], on_value=True, off_value=False
    )

    def split(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        log = tf.nn.log_softmax(logits / temperature)
        true = tf.reduce_sum(tf.where(is_true, log, 0.0), axis=-1)
        others = tf.where(is_true, _NEVER, log)
        any_other = tf.reduce_logsumexp(others, axis=-1)
        return tf.stack([true, any_other], axis=-1), tf.nn.log_softmax(others)

    teacher = split(tf.stop_gradient(teacher_logits))
    target, others = map(_divergence, teacher, split(student_logits))
    return temperature**2 * target, temperature**2 * others


def pearson_distance(teacher: tf.Tensor, student: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns 1 minus Pearson's correlation of two tensors along an axis.

    Args:
      teacher: float32; no gradient flows into it.
      student: float32, of the same shape.
      axis: along which they are correlated; it is gone from the result.

    Returns:
      float32, in [0, 2]: 0 where one is a rising linear function of the other, 1
      where one is constant.

    References:
      Huang et al., "Knowledge Distillation from a Stronger Teacher" (DIST), arXiv
      2205.10536, section 3.
    """
    directions = (
        tf.math.l2_normalize(x - tf.reduce_mean(x, axis, keepdims=True), axis)
        for x in (tf.stop_gradient(teacher), student)
    )
    return 1.0 - tf.reduce_sum(tf.multiply(*directions), axis)


def _divergence(teacher_log: tf.Tensor, student_log: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.exp(teacher_log) * (teacher_log - student_log), -1)


def _check(loss: Any) -> None:
    check_types(loss)
    if loss.temperature <= 0:
        raise refusal(loss, "temperature", "above 0; 2 to 8 is usual.")


def _check_parts(loss: Any, first: str, second: str) -> None:
    """Refuses weights of two parts that are negative, or both 0."""
    for name in (first, second):
        if getattr(loss, name) < 0:
            raise refusal(loss, name, "0 or more.")
    if getattr(loss, first) == getattr(loss, second) == 0:
        raise refusal(loss, first, f"above 0 where {second} is 0: nothing is learnt.")


@dataclass(frozen=True)
class LogitDistillation(DistillationLoss):
    """The classic: `T^2 KL(teacher || student)` of softened answers, mean of all.

    Args:
      temperature: divides both models' logits; above 0. Higher shows more of how the
        teacher ranks the wrong classes.
      activation: what the logits go through, `softmax` or `sigmoid`. With `sigmoid`
        the divergences of the classes are summed.

    Raises:
      InvalidArgumentError: a value is outside its range.

    Example:
      >>> tfc.Distillation("teacher", losses=((tfc.LogitDistillation(4.0), 0.9),))

    References:
      Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network",
      arXiv 1503.02531, section 2.
    """

    temperature: float = 4.0
    activation: Literal["softmax", "sigmoid"] = "softmax"

    def __post_init__(self) -> None:
        _check(self)

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean over images and pixels, 0 or more."""
        is_softmax = self.activation == "softmax"
        divergence = logit_distillation if is_softmax else binary_logit_distillation
        return tf.reduce_mean(
            divergence(teacher[LOGITS], student[LOGITS], self.temperature)
        )


@dataclass(frozen=True)
class DecoupledDistillation(DistillationLoss):
    """DKD: `alpha` times the true class against all others, `beta` times the others.

    In the classic loss the second part counts the less, the surer the teacher is.
    Needs labels, and outputs that go through a softmax.

    Args:
      alpha: weight of the divergence of "the true class or another"; 0 or more.
      beta: weight of the divergence of the other classes among themselves; 0 or more.
      temperature: divides both models' logits; above 0.

    Raises:
      InvalidArgumentError: a value is outside its range.

    Example:
      >>> tfc.Distillation("teacher", losses=((tfc.DecoupledDistillation(), 1.0),))

    References:
      Zhao et al., "Decoupled Knowledge Distillation", arXiv 2203.08679, equation 7.
    """

    alpha: float = 1.0
    beta: float = 8.0
    temperature: float = 4.0

    def __post_init__(self) -> None:
        _check(self)
        _check_parts(self, "alpha", "beta")

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean over images and pixels, 0 or more."""
        target, others = decoupled_distillation(
            teacher[LOGITS], student[LOGITS], labels, self.temperature
        )
        return tf.reduce_mean(self.alpha * target + self.beta * others)


@dataclass(frozen=True)
class PearsonDistillation(DistillationLoss):
    """DIST: the student's probabilities are to correlate with the teacher's.

    `T^2` times the mean of `pearson_distance` over the classes of each image, plus
    that over the images of each class. It asks for less than equal probabilities, which
    helps where the teacher is much stronger.

    Args:
      temperature: divides both models' logits; above 0.
      between_classes: weight of the relations between classes, in each image.
      within_classes: weight of the relations between images, in each class.
      activation: what the logits go through, `softmax` or `sigmoid`.

    Raises:
      InvalidArgumentError: a value is outside its range.

    References:
      Huang et al., "Knowledge Distillation from a Stronger Teacher" (DIST), arXiv
      2205.10536, section 3.
    """

    temperature: float = 1.0
    between_classes: float = 1.0
    within_classes: float = 1.0
    activation: Literal["softmax", "sigmoid"] = "softmax"

    def __post_init__(self) -> None:
        _check(self)
        _check_parts(self, "between_classes", "within_classes")

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the weighted sum of both means, 0 or more."""
        activate = tf.nn.softmax if self.activation == "softmax" else tf.nn.sigmoid
        classes = student[LOGITS].shape[-1]
        theirs, ours = (
            activate(tf.reshape(outputs[LOGITS], [-1, classes]) / self.temperature)
            for outputs in (teacher, student)
        )
        between = tf.reduce_mean(pearson_distance(theirs, ours, axis=1))
        within = tf.reduce_mean(pearson_distance(theirs, ours, axis=0))
        return self.temperature**2 * (
            self.between_classes * between + self.within_classes * within
        )


@dataclass(frozen=True)
class LogitMatching(DistillationLoss):
    """The mean squared difference of the logits, whatever they go through.

    References:
      Ba and Caruana, "Do Deep Nets Really Need to be Deep?", arXiv 1312.6184,
      equation 1.
    """

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean over images, pixels and classes, 0 or more."""
        return tf.reduce_mean(
            tf.math.squared_difference(
                tf.stop_gradient(teacher[LOGITS]), student[LOGITS]
            )
        )
