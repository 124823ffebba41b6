"""Feature distillation: the student learns what its teacher computes on the way."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from tfcompress.training.distillation.loss import (
    LayerLoss,
    Outputs,
    Shapes,
    mismatch,
)


def resize_to(features: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Returns `(batch, height, width, channels)` at the height and width of `like`.

    Bilinear; unchanged where the sizes are equal.
    """
    sizes = features.shape[1:3], like.shape[1:3]
    if sizes[0] == sizes[1] and sizes[0].is_fully_defined():
        return features
    return tf.image.resize(features, tf.shape(like)[1:3])


def feature_distance(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared difference of features, resized where they are maps.

    Args:
      teacher: float32 `(batch, ..., channels)`; no gradient flows into it.
      student: float32, with as many axes and channels.

    Returns:
      A float32 scalar, 0 or more.

    References:
      Romero et al., "FitNets: Hints for Thin Deep Nets", arXiv 1412.6550, equation 3,
      with the mean in place of half the sum.
    """
    if len(student.shape) == 4:
        student = resize_to(student, teacher)
    return tf.reduce_mean(
        tf.math.squared_difference(tf.stop_gradient(teacher), student)
    )


def attention_distance(
    teacher: tf.Tensor, student: tf.Tensor, power: float = 2.0
) -> tf.Tensor:
    """Returns the mean over the batch of `|Q_t/|Q_t| - Q_s/|Q_s||^2`.

    `Q`, the attention, is the sum over the channels of `|features|^power`.

    Args:
      teacher: float32 `(batch, height, width, channels)`; no gradient flows into it.
      student: float32 `(batch, height, width, channels)`; its attention is resized to
        the teacher's; it may have other channels.
      power: 1 or more; higher looks at the largest activations.

    Returns:
      A float32 scalar, in [0, 2].

    References:
      Zagoruyko and Komodakis, "Paying More Attention to Attention", arXiv 1612.03928,
      equation 2, with the square of the norm in place of half the norm.
    """
    theirs, ours = (
        tf.reduce_sum(tf.abs(x) ** power, axis=-1, keepdims=True)
        for x in (tf.stop_gradient(teacher), student)
    )
    axes = [1, 2, 3]
    theirs = tf.math.l2_normalize(theirs, axes)
    ours = tf.math.l2_normalize(resize_to(ours, theirs), axes)
    return tf.reduce_mean(tf.reduce_sum(tf.math.squared_difference(theirs, ours), axes))


@dataclass(frozen=True)
class FeatureDistillation(LayerLoss):
    """The output of a student's layer is to become that of a teacher's.

    `mean((teacher - P student)^2)`, where `P`, a 1x1 convolution without bias, is
    learnt with the student and thrown away after training. Maps of another height and
    width are resized, bilinear, to the teacher's.

    Args:
      student_layer: its output is `(batch, height, width, channels)`,
        `(batch, tokens, channels)` or `(batch, channels)`.
      teacher_layer: its output has as many axes, and as many tokens.

    Raises:
      InvalidArgumentError: a name is not a text.

    Example:
      >>> losses = (
      ...     (tfc.LogitDistillation(temperature=4.0), 0.9),
      ...     (tfc.FeatureDistillation("block5", "conv4"), 100.0),
      ... )
      >>> objective = tfc.Distillation("teacher", losses=losses, hard_weight=0.1)

    References:
      Romero et al., "FitNets: Hints for Thin Deep Nets", arXiv 1412.6550, equation 3.
    """

    def reconcile(self, student: Shapes, teacher: Shapes) -> dict[str, int]:
        """Returns the teacher's channels."""
        ours, theirs = student[self.student_layer], teacher[self.teacher_layer]
        channels = theirs[-1] if theirs else None
        fits = (
            len(ours) == len(theirs)
            and len(ours) in (2, 3, 4)
            and (len(ours) != 3 or ours[1] == theirs[1])
        )
        if not fits or channels is None or ours[-1] is None:
            raise mismatch(
                self, student, teacher, "both maps, both vectors, or as many tokens"
            )
        return {self.student_layer: channels}

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean over all elements, 0 or more."""
        return feature_distance(
            teacher[self.teacher_layer], student[self.student_layer]
        )


@dataclass(frozen=True)
class AttentionTransfer(LayerLoss):
    """The student is to look where its teacher looks: `attention_distance`, power 2.

    It has no weights: attention is what is left when the channels are summed.

    Args:
      student_layer: its output is `(batch, height, width, channels)`.
      teacher_layer: likewise; height, width and channels may differ.

    Raises:
      InvalidArgumentError: a name is not a text.

    References:
      Zagoruyko and Komodakis, "Paying More Attention to Attention", arXiv 1612.03928,
      equation 2.
    """

    def reconcile(self, student: Shapes, teacher: Shapes) -> dict[str, int]:
        """Checks that both are maps."""
        if (
            not len(student[self.student_layer])
            == len(teacher[self.teacher_layer])
            == 4
        ):
            raise mismatch(
                self, student, teacher, "both (batch, height, width, channels)"
            )
        return {}

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean over the batch, in [0, 2]."""
        return attention_distance(
            teacher[self.teacher_layer], student[self.student_layer]
        )
