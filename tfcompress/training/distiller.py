"""Distiller: a student and its teacher, as one model that `fit` can train."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias

import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.run import derive_seed
from tfcompress.serialization import decode, encode
from tfcompress.training.distillation import (
    LOSSES,
    DistillationLoss,
    LogitDistillation,
)
from tfcompress.training.distillation.layer_outputs import outputs_of
from tfcompress.training.distillation.loss import LOGITS, Outputs, Shapes, wrong_weights
from tfcompress.training.distillation.mean_teacher import follow
from tfcompress.training.teacher_fit import check_teacher_fits

# A constant, or a tf_keras schedule that is called with the number of the step.
Weight: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("tfcompress")
class Distiller(keras.Model):
    """Trains a student on `sum(weight * loss) + hard_weight * CE`.

    It is compiled with the loss of the labels (CE) and lives as long as one training;
    the student, which it trains in place, is what goes on. Each step calls each model
    once: what layers give comes from the same pass as the logits. The teacher is in
    inference mode and not changed. Evaluated, it is the student alone: `val_loss` is
    CE, so that epochs and objectives can be compared. Under a strategy of
    `tf.distribute`, relations between images are those of one replica's.

    Every loss is a metric by its `name`, before it is weighted; `student_loss` is CE.
    `sample_weight` and `class_weight` of `fit` weigh images within CE alone: what is
    learnt from the teacher counts each image once.

    Args:
      student: model that takes `(batch, height, width, channels)` and returns logits
        `(batch, classes)` or, of each pixel, `(batch, height, width, classes)`.
      teacher: model of the same input and output shapes; None where its logits come
        with the images, as `((images, logits), labels)`.
      losses: what is learnt from the teacher, each with its weight: a number, or a
        tf_keras learning rate schedule.
      hard_weight: weight of CE, likewise.
      seed: of the projections' initial weights.
      teacher_momentum: makes the teacher, which then is a copy of the student, follow
        it after each step: see `MeanTeacher`. None leaves it as it is.

    Raises:
      InvalidArgumentError: a weight is below 0, or all are 0.
      ModelError: the teacher does not fit the student, a layer that a loss names does
        not exist, or a pair of them cannot be compared.

    Example:
      >>> losses = ((LogitDistillation(temperature=4.0), 0.9),)
      >>> distiller = Distiller(student, teacher, losses, hard_weight=0.1)
      >>> ce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
      >>> distiller.compile("adam", ce, metrics=["accuracy"])
      >>> distiller.fit(images, labels)
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model | None,
        losses: Sequence[tuple[DistillationLoss, Weight]] = (
            (LogitDistillation(), 0.9),
        ),
        hard_weight: Weight = 0.1,
        seed: int = 0,
        teacher_momentum: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _check_weights(losses, hard_weight)
        _check(student, teacher, losses)
        self.student = student
        self.teacher = teacher
        self.terms = tuple(losses)
        self.hard_weight = hard_weight
        self.seed = seed
        self.teacher_momentum = teacher_momentum
        names = [dict.fromkeys(side) for side in zip(*_pairs(losses), strict=True)]
        ours, theirs = names or ((), ())
        self._call_student, shapes = outputs_of(student, [*ours], "student")
        self._call_teacher: Any
        teacher_shapes: Shapes
        self._call_teacher, teacher_shapes = (
            outputs_of(teacher, [*theirs], "teacher") if teacher else (None, {})
        )
        self.projections = [
            _projections(loss, shapes, teacher_shapes, derive_seed(seed, place))
            for place, (loss, _) in enumerate(losses)
        ]
        self._total_loss = keras.metrics.Mean(name="total_loss")
        self._means = [keras.metrics.Mean(name=name) for name in _names(losses)]
        # All weights are there: else Keras saves a compiled one without its optimizer.
        self.built = True

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """The student's and the projections': the teacher is frozen in any case."""
        layers = [layer for by_name in self.projections for layer in by_name.values()]
        weights = [weight for layer in layers for weight in layer.trainable_weights]
        return [*self.student.trainable_weights, *weights]

    @property
    def companions(self) -> list[Any]:
        """What is trained beside the student, and ends with the training."""
        following = [] if self.teacher_momentum is None else [self.teacher]
        return [*self.projections, *following]

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the student's logits."""
        return self.student(inputs, training=training)

    def train_step(self, data: tuple[Any, ...]) -> dict[str, tf.Tensor]:
        """Updates the student on one batch of `(images, labels)`, maybe weighted."""
        inputs, labels, shares = keras.utils.unpack_x_y_sample_weight(data)
        step = self.optimizer.iterations
        images, teacher = self._ask_teacher(inputs)
        with tf.GradientTape() as tape:
            student = self._call_student(images, training=True)
            student_loss = self.compiled_loss(labels, student[LOGITS], shares)
            values = self._compare(teacher, student, labels)
            terms = zip(self.terms, values, strict=True)
            loss = sum(_at(weight, step) * value for (_, weight), value in terms)
            loss += tf.add_n([*self.student.losses, tf.zeros([])])
            # Of each replica's loss its share, as Keras has it for the labels' already.
            num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
            loss = loss / num_replicas + _at(self.hard_weight, step) * student_loss
        self.optimizer.minimize(loss, self.trainable_weights, tape=tape)
        if self.teacher_momentum is not None:
            follow(self.teacher, self.student, self.teacher_momentum, step)
        self._total_loss.update_state(loss * num_replicas)
        for mean, value in zip(self._means, values, strict=True):
            mean.update_state(value)
        self.compiled_metrics.update_state(labels, student[LOGITS], shares)
        label_results = self._label_results()
        return {
            **label_results,
            "loss": self._total_loss.result(),
            "student_loss": label_results["loss"],
            **{mean.name: mean.result() for mean in self._means},
        }

    def test_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        """Measures the student alone on one batch, as `train_step` takes it."""
        images, labels, shares = keras.utils.unpack_x_y_sample_weight(data)
        logits = self.student(images, training=False)
        self.compiled_loss(
            labels, logits, shares, regularization_losses=self.student.losses
        )
        self.compiled_metrics.update_state(labels, logits, shares)
        return self._label_results()

    def _ask_teacher(self, inputs: Any) -> tuple[tf.Tensor, Outputs]:
        """Returns the images, and what the teacher makes of them."""
        if self._call_teacher:
            return inputs, self._call_teacher(inputs, training=False)
        images, logits = inputs
        return images, {LOGITS: tf.cast(logits, tf.float32)}

    def _compare(
        self, teacher: Outputs, student: Outputs, labels: tf.Tensor
    ) -> list[tf.Tensor]:
        """Returns the value of each loss."""
        values = []
        for (loss, _), projections in zip(self.terms, self.projections, strict=True):
            projected = {name: p(student[name]) for name, p in projections.items()}
            values.append(loss(teacher, {**student, **projected}, labels))
        return values

    def _label_results(self) -> dict[str, tf.Tensor]:
        metrics = [*self.compiled_loss.metrics, *self.compiled_metrics.metrics]
        return {metric.name: metric.result() for metric in metrics}

    def get_config(self) -> dict[str, Any]:
        """Returns both models, the losses and their weights, serialised."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "student": serialize(self.student),
            "teacher": serialize(self.teacher),
            "losses": [encode(loss) for loss, _ in self.terms],
            "weights": [serialize(weight) for _, weight in self.terms],
            "hard_weight": serialize(self.hard_weight),
            "seed": self.seed,
            "teacher_momentum": self.teacher_momentum,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Returns the Distiller that `get_config` described, with fresh weights."""

        def deserialize(value: Any) -> Any:
            return keras.saving.deserialize_keras_object(
                value, custom_objects=custom_objects
            )

        config = dict(config)
        parts = {loss.__name__: loss for loss in LOSSES}
        losses = [decode(loss, parts) for loss in config.pop("losses")]
        weights = map(deserialize, config.pop("weights"))
        models = {
            name: deserialize(config.pop(name))
            for name in ("student", "teacher", "hard_weight")
        }
        return cls(losses=tuple(zip(losses, weights, strict=True)), **models, **config)


def _check(
    student: keras.Model,
    teacher: keras.Model | None,
    losses: Sequence[tuple[DistillationLoss, Weight]],
) -> None:
    """Refuses a teacher that does not fit, as far as that is known."""
    if teacher is None and _pairs(losses):
        raise ModelError(
            "The teacher is None, but the losses compare its layers, which its logits "
            "do not tell; give the model itself."
        )
    # Those that are subclassed know no shapes.
    if teacher and all(hasattr(model, "input_shape") for model in (student, teacher)):
        check_teacher_fits(teacher, student)


def _check_weights(
    losses: Sequence[tuple[DistillationLoss, Weight]], hard_weight: Weight
) -> None:
    if wrong := wrong_weights([weight for _, weight in losses], hard_weight):
        name, expected = wrong
        given = {"losses": tuple(losses), "hard_weight": hard_weight}[name]
        raise InvalidArgumentError(f"Distiller {name}={given} must be {expected}")


def _pairs(losses: Sequence[tuple[DistillationLoss, Weight]]) -> list[tuple[str, str]]:
    return [pair for loss, _ in losses for pair in loss.pairs]


def _names(losses: Sequence[tuple[DistillationLoss, Weight]]) -> list[str]:
    """Returns what the losses are called, numbered where two have one name."""
    plain = {loss.name for loss, _ in losses}
    names: list[str] = []
    for loss, _ in losses:
        numbered = (f"{loss.name}_{number}" for number in itertools.count(2))
        # A layer may be called as if it were numbered: "relu_2".
        free = (name for name in numbered if name not in {*plain, *names})
        names.append(next(free) if loss.name in names else loss.name)
    return names


def _projections(
    loss: DistillationLoss, student: Shapes, teacher: Shapes, seed: int
) -> dict[str, keras.layers.Layer]:
    """Returns the learnt layers through which a loss sees the student's, by name."""
    projections = {}
    channels = loss.reconcile(
        {layer: student[layer] for layer, _ in loss.pairs},
        {layer: teacher[layer] for _, layer in loss.pairs},
    )
    for name, num_channels in channels.items():
        # On the last axis: on a map, this is a 1x1 convolution.
        projections[name] = keras.layers.Dense(
            num_channels,
            use_bias=False,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            dtype="float32",
            name="projection",
        )
        projections[name].build(student[name])
    return projections


def _at(weight: Weight, step: tf.Variable) -> Any:
    return weight(step) if callable(weight) else weight
