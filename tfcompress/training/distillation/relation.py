"""Relation distillation: the student learns how its teacher tells images apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import tensorflow as tf
import tf_keras as keras

from tfcompress.field_types import check_types, refusal
from tfcompress.training.distillation.feature import resize_to
from tfcompress.training.distillation.loss import (
    DistillationLoss,
    LayerLoss,
    Outputs,
    Shapes,
    mismatch,
)

# Squared distances, as shares of the largest square, that rounding may have made.
_ROUNDING = 1e-6


def pairwise_distances(features: tf.Tensor) -> tf.Tensor:
    """Returns the distance of each two examples, in units of the mean distance.

    Args:
      features: float32 `(batch, ...)`.

    Returns:
      float32 `(batch, batch)`; the mean is taken over those that are not 0, and what
      is lost in rounding is 0.

    References:
      Park et al., "Relational Knowledge Distillation", arXiv 1904.05068, section 3.2.1.
    """
    # About their mean, where products lose the least in rounding.
    centred = features - tf.reduce_mean(features, axis=0)
    distances = _distances(_products(centred))
    num_apart = tf.math.count_nonzero(distances, dtype=tf.float32)
    mean = tf.math.divide_no_nan(tf.reduce_sum(distances), num_apart)
    return tf.math.divide_no_nan(distances, mean)


def triplet_angles(features: tf.Tensor) -> tf.Tensor:
    """Returns the cosine of the angle at each example between each two others.

    Args:
      features: float32 `(batch, ...)`.

    Returns:
      float32 `(batch, batch, batch)`, in [-1, 1], at [i, j, k] that of the angle at j
      between i and k; 0 where two of them are equal. It takes 4 `batch^3` bytes.

    References:
      Park et al., "Relational Knowledge Distillation", arXiv 1904.05068, section 3.2.2.
    """
    gram = _products(features - tf.reduce_mean(features, axis=0))
    distances = _distances(gram)
    # (i - j) (k - j), from products of single examples: no (batch, batch, n) is needed.
    squares = tf.linalg.diag_part(gram)[None, :, None]
    products = gram[:, None, :] - gram[:, :, None] - gram[None, :, :] + squares
    lengths = distances[:, :, None] * distances[None, :, :]
    return tf.math.divide_no_nan(products, lengths)


def similarities(features: tf.Tensor) -> tf.Tensor:
    """Returns the products of each two examples, each row of length 1.

    Args:
      features: float32 `(batch, ...)`.

    Returns:
      float32 `(batch, batch)`.

    References:
      Tung and Mori, "Similarity-Preserving Knowledge Distillation", arXiv 1907.09682,
      equations 2 and 3.
    """
    return tf.math.l2_normalize(_products(features), axis=1)


def correlations(features: tf.Tensor, gamma: float, order: int) -> tf.Tensor:
    """Returns `exp(-gamma |x - y|^2)` of each two examples, as a Taylor series.

    `exp(-2 gamma) sum_p (2 gamma)^p / p! (x y)^p`, of examples scaled to length 1.

    Args:
      features: float32 `(batch, ...)`.
      gamma: above 0.
      order: the last power, 1 or more.

    Returns:
      float32 `(batch, batch)`.

    References:
      Peng et al., "Correlation Congruence for Knowledge Distillation", arXiv
      1904.01802, section 3.3.
    """
    axes = list(range(1, len(features.shape)))
    products = _products(tf.math.l2_normalize(features, axes))
    powers = range(1, order + 1)
    series = [(2 * gamma * products) ** p / math.factorial(p) for p in powers]
    return math.exp(-2 * gamma) * (1.0 + tf.add_n(series))


def flow(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Returns the mean over all places of the products of two layers' channels.

    Args:
      first: float32 `(batch, height, width, m)`; resized to the size of `second`.
      second: float32 `(batch, height, width, n)`.

    Returns:
      float32 `(batch, m, n)`.

    References:
      Yim et al., "A Gift from Knowledge Distillation", CVPR 2017, equation 1.
    """
    first = resize_to(first, second)
    num_places = tf.cast(tf.reduce_prod(tf.shape(second)[1:3]), tf.float32)
    return tf.einsum("bhwm,bhwn->bmn", first, second) / num_places


def _products(features: tf.Tensor) -> tf.Tensor:
    examples = tf.reshape(features, [tf.shape(features)[0], -1])
    return tf.matmul(examples, examples, transpose_b=True)


def _distances(products: tf.Tensor) -> tf.Tensor:
    squares = tf.linalg.diag_part(products)
    distances = squares[:, None] + squares[None, :] - 2.0 * products
    is_apart = distances > _ROUNDING * tf.reduce_max(squares)
    # The gradient of a square root at 0 is infinite, even where it is not taken.
    return tf.where(is_apart, tf.sqrt(tf.where(is_apart, distances, 1.0)), 0.0)


def _mean_square(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(
        tf.math.squared_difference(tf.stop_gradient(teacher), student)
    )


@dataclass(frozen=True)
class RelationalDistillation(LayerLoss):
    """RKD: images are to be as far apart, or at the same angles, as for the teacher.

    The Huber loss (`d^2 / 2` up to 1, then `d - 1/2`) of `pairwise_distances` or of
    `triplet_angles`, mean over all pairs or triplets of the batch. Give both, angles
    with twice the weight, as the paper does. Best on pooled features.

    Args:
      student_layer: its output is `(batch, ...)`, of any shape.
      teacher_layer: likewise.
      relation: `distance` of two images, or `angle` of three, which takes memory for
        the cube of the batch.

    Raises:
      InvalidArgumentError: a value is none of those.

    References:
      Park et al., "Relational Knowledge Distillation", arXiv 1904.05068, section 3.2.
    """

    relation: Literal["distance", "angle"] = "distance"

    @property
    def name(self) -> str:
        """What its curve is called; distances and angles have one each."""
        return f"{super().name}_{self.relation}"

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean over pairs or triplets, 0 or more."""
        is_distance = self.relation == "distance"
        relations = pairwise_distances if is_distance else triplet_angles
        theirs = tf.stop_gradient(relations(teacher[self.teacher_layer]))
        ours = relations(student[self.student_layer])
        return tf.reduce_mean(keras.losses.huber(theirs, ours))


@dataclass(frozen=True)
class SimilarityPreserving(LayerLoss):
    """Images that are alike for the teacher are to be alike for the student.

    The mean squared difference of `similarities`: `|G_t - G_s|^2 / batch^2`.

    Args:
      student_layer: its output is `(batch, ...)`, of any shape.
      teacher_layer: likewise.

    Raises:
      InvalidArgumentError: a name is not a text.

    References:
      Tung and Mori, "Similarity-Preserving Knowledge Distillation", arXiv 1907.09682,
      equation 4.
    """

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean over all pairs, 0 or more."""
        return _mean_square(
            similarities(teacher[self.teacher_layer]),
            similarities(student[self.student_layer]),
        )


@dataclass(frozen=True)
class CorrelationCongruence(LayerLoss):
    """Images are to be as near to each other, by a Gaussian kernel, as for the teacher.

    The mean squared difference of `correlations`.

    Args:
      student_layer: its output is `(batch, ...)`, of any shape.
      teacher_layer: likewise.
      gamma: how fast the kernel falls; above 0.
      order: of its Taylor series; 1 or more.

    Raises:
      InvalidArgumentError: a value is outside its range.

    References:
      Peng et al., "Correlation Congruence for Knowledge Distillation", arXiv
      1904.01802, section 3.
    """

    gamma: float = 0.4
    order: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gamma <= 0:
            raise refusal(self, "gamma", "above 0; 0.4 is the paper's.")
        if not 1 <= self.order <= 10:
            raise refusal(self, "order", "from 1 to 10; 2 is the paper's.")

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean over all pairs, 0 or more."""
        return _mean_square(
            correlations(teacher[self.teacher_layer], self.gamma, self.order),
            correlations(student[self.student_layer], self.gamma, self.order),
        )


@dataclass(frozen=True)
class FlowDistillation(DistillationLoss):
    """FSP: what happens between two layers is to be what happens in the teacher.

    The mean squared difference of `flow`.

    Args:
      student_layers: the first and the second layer; their outputs are
        `(batch, height, width, channels)`.
      teacher_layers: likewise, with the same numbers of channels.

    Raises:
      InvalidArgumentError: not two names each.

    References:
      Yim et al., "A Gift from Knowledge Distillation", CVPR 2017, equation 2.
    """

    student_layers: tuple[str, str]
    teacher_layers: tuple[str, str]

    def __post_init__(self) -> None:
        check_types(self)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The first of both and the second of both."""
        return tuple(zip(self.student_layers, self.teacher_layers, strict=True))

    def reconcile(self, student: Shapes, teacher: Shapes) -> dict[str, int]:
        """Checks that all are maps with the same channels in pairs."""
        for layer, other in self.pairs:
            ours, theirs = student[layer], teacher[other]
            if not len(ours) == len(theirs) == 4 or ours[-1] != theirs[-1]:
                expected = "maps with the same numbers of channels"
                raise mismatch(self, student, teacher, expected)
        return {}

    def __call__(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean over the batch and all products, 0 or more."""
        return _mean_square(
            flow(*(teacher[name] for name in self.teacher_layers)),
            flow(*(student[name] for name in self.student_layers)),
        )
