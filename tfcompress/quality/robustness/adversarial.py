"""Adversarial examples: images changed by the gradient of a Keras model.

Each attack takes float32 images in [0, 1] of shape `(batch, height, width, channels)`,
their labels, epsilon, and two uniform numbers in [0, 1) for each image; it returns
images in [0, 1], no pixel further than epsilon from where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from tfcompress.quality.robustness.corruptions import noise

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Attack = Callable[[Loss, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

NUM_STEPS = 10
# Ten steps of epsilon / 4 reach every corner of the cube from any start in it.
_STEP = 2.5 / NUM_STEPS
_TINY = 1e-30


def fgsm(
    loss: Loss,
    images: tf.Tensor,
    labels: tf.Tensor,
    epsilon: tf.Tensor,
    draws: tf.Tensor,
) -> tf.Tensor:
    """Goes one step up the loss: `clip(x + epsilon * sign(gradient), 0, 1)`.

    Args:
      loss: from images and labels to the loss of each image.
      images: what is attacked.
      labels: their class ids.
      epsilon: the largest change of a pixel, as a share of the range of pixels.
      draws: not used.

    References:
      Goodfellow et al., Explaining and Harnessing Adversarial Examples,
      arXiv:1412.6572, section 4.
    """
    del draws
    step = epsilon * _ascent(loss, images, labels)
    return tf.clip_by_value(images + step, 0.0, 1.0)


def pgd(
    loss: Loss,
    images: tf.Tensor,
    labels: tf.Tensor,
    epsilon: tf.Tensor,
    draws: tf.Tensor,
) -> tf.Tensor:
    """Goes up the loss in ten steps of epsilon / 4 from a random start near the image.

    After each step a pixel is brought back to within epsilon of where it was.

    Args:
      loss: from images and labels to the loss of each image.
      images: what is attacked.
      labels: their class ids.
      epsilon: the largest change of a pixel, as a share of the range of pixels.
      draws: decide the start.

    References:
      Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks,
      arXiv:1706.06083, section 2.1.
    """
    low = tf.maximum(images - epsilon, 0.0)
    high = tf.minimum(images + epsilon, 1.0)
    start = 2 * noise(tf.random.stateless_uniform, images, draws) - 1
    attacked = tf.clip_by_value(images + epsilon * start, low, high)
    for _ in tf.range(NUM_STEPS):
        step = _STEP * epsilon * _ascent(loss, attacked, labels)
        attacked = tf.clip_by_value(attacked + step, low, high)
    return attacked


ATTACKS: Mapping[str, Attack] = {"fgsm": fgsm, "pgd": pgd}


def loss_of(
    model: Callable[..., tf.Tensor],
    value_range: tuple[float, float],
    from_logits: bool,
) -> Loss:
    """Returns the cross entropy of a model as a function of images in [0, 1].

    Args:
      model: a Keras model that classifies.
      value_range: what 0 and 1 are to the model.
      from_logits: whether it gives logits; else probabilities.
    """
    low, high = value_range

    def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        outputs = model(images * (high - low) + low, training=False)
        if not from_logits:
            outputs = tf.math.log(tf.maximum(outputs, _TINY))
        # Of logarithms of probabilities, the cross entropy is that of logits.
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)

    return loss


def _ascent(loss: Loss, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns the sign of the gradient of each image's own loss."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(loss(images, labels))
    return tf.sign(tape.gradient(total, images))
