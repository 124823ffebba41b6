"""Distiller: a student and its teacher, as one model that `fit` can train."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfcompress.training.distillation_losses import logit_distillation


@keras.saving.register_keras_serializable("tfcompress")
class Distiller(keras.Model):
    """Trains a student on `alpha T^2 KL(teacher || student) + (1 - alpha) CE`.

    It is compiled with the loss of the labels (CE) and lives as long as one training;
    the student, which it trains in place, is what goes on. The teacher is called in
    inference mode, once a step, and not changed. Evaluated, it is the student alone:
    `val_loss` is CE, so that epochs and objectives can be compared.

    Args:
      student: model that takes `(batch, height, width, channels)` and returns logits
        `(batch, classes)`.
      teacher: model of the same input and output shapes.
      temperature: divides the logits of both; above 0.
      alpha: weight of the teacher against the labels, in [0, 1].

    Example:
      >>> distiller = Distiller(student, teacher, temperature=4.0, alpha=0.9)
      >>> ce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
      >>> distiller.compile("adam", ce, metrics=["accuracy"])
      >>> distiller.fit(images, labels)
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model,
        temperature: float = 4.0,
        alpha: float = 0.9,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.student = student
        self.teacher = teacher
        self.temperature = temperature
        self.alpha = alpha
        self._total_loss = keras.metrics.Mean(name="total_loss")
        self._distillation_loss = keras.metrics.Mean(name="distillation_loss")

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """The student's: the teacher is frozen whatever its own flags say."""
        return list(self.student.trainable_weights)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the student's logits."""
        return self.student(inputs, training=training)

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Updates the student on one batch of `(images, labels)`."""
        images, labels = data
        teacher_logits = self.teacher(images, training=False)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            student_loss = self.compiled_loss(labels, logits)
            distillation_loss = tf.reduce_mean(
                logit_distillation(teacher_logits, logits, self.temperature)
            )
            loss = (
                self.alpha * distillation_loss
                + (1.0 - self.alpha) * student_loss
                + tf.add_n([*self.student.losses, tf.zeros([])])
            )
        self.optimizer.minimize(loss, self.student.trainable_variables, tape=tape)
        self._distillation_loss.update_state(distillation_loss)
        self._total_loss.update_state(loss)
        self.compiled_metrics.update_state(labels, logits)
        label_results = self._label_results()
        return {
            **label_results,
            "loss": self._total_loss.result(),
            "student_loss": label_results["loss"],
            "distillation_loss": self._distillation_loss.result(),
        }

    def test_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Measures the student alone on one batch of `(images, labels)`."""
        images, labels = data
        logits = self.student(images, training=False)
        self.compiled_loss(labels, logits, regularization_losses=self.student.losses)
        self.compiled_metrics.update_state(labels, logits)
        return self._label_results()

    def _label_results(self) -> dict[str, tf.Tensor]:
        metrics = [*self.compiled_loss.metrics, *self.compiled_metrics.metrics]
        return {metric.name: metric.result() for metric in metrics}

    def get_config(self) -> dict[str, Any]:
        """Returns both models and the two numbers, serialised."""
        return {
            **super().get_config(),
            "student": keras.saving.serialize_keras_object(self.student),
            "teacher": keras.saving.serialize_keras_object(self.teacher),
            "temperature": self.temperature,
            "alpha": self.alpha,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Returns the Distiller that `get_config` described, with fresh weights."""
        models = {
            key: keras.saving.deserialize_keras_object(
                config.pop(key), custom_objects=custom_objects
            )
            for key in ("student", "teacher")
        }
        return cls(**models, **config)
