"""From the settings of a Fit to tf_keras' optimizer and loss."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from tfcompress.training.fit import Fit
from tfcompress.training.schedules import scheduled


def build_optimizer(fit: Fit, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Returns the optimizer that `fit` names, with its learning rate schedule."""
    settings = {
        "learning_rate": scheduled(fit.learning_rate, fit.epochs, steps_per_epoch)
    }
    if fit.weight_decay is not None:
        settings["weight_decay"] = fit.weight_decay
    if fit.optimizer == "sgd":
        return keras.optimizers.SGD(momentum=0.9, nesterov=True, **settings)
    kinds = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
    }
    return kinds[fit.optimizer](**settings)


def cross_entropy(
    label_smoothing: float = 0.0,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns the loss of class ids against logits, in nats, one an example.

    Args:
      label_smoothing: share of each label spread evenly over all classes, in [0, 1).

    References:
      Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7.
    """

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        classes = tf.reshape(tf.cast(labels, tf.int32), [-1])
        return keras.losses.categorical_crossentropy(
            tf.one_hot(classes, logits.shape[-1]),
            logits,
            from_logits=True,
            label_smoothing=label_smoothing,
        )

    return loss
