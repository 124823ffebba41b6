import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.training.distillation import (
    AttentionTransfer,
    FeatureDistillation,
    LogitDistillation,
    LogitMatching,
)
from tfcompress.training.distillation.response import logit_distillation
from tfcompress.training.distiller import Distiller
from tfcompress.training.optimizer import cross_entropy


def linear(weights, name, **options):
    model = keras.Sequential(
        [
            keras.Input((2,), name="image"),
            keras.layers.Dense(3, use_bias=False, name="logits", **options),
        ],
        name=name,
    )
    model.set_weights([np.array(weights, np.float32)])
    return model


STUDENT = [[0.1, 0.2, -0.3], [0.4, -0.5, 0.6]]
TEACHER = [[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]
IMAGES = np.array([[1.0, 2.0], [-1.0, 0.5]], np.float32)
LABELS = np.array([1, 0])


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def expected(temperature):
    """Student loss, distillation loss and both gradients, by arithmetic."""
    s, t = IMAGES @ np.array(STUDENT), IMAGES @ np.array(TEACHER)
    p, q = softmax(s / temperature), softmax(t / temperature)
    one_hot = np.eye(3)[LABELS]
    ce = -np.log((softmax(s) * one_hot).sum(-1)).mean()
    kl = temperature**2 * (q * np.log(q / p)).sum(-1).mean()
    ce_gradient = IMAGES.T @ (softmax(s) - one_hot) / len(IMAGES)
    kl_gradient = IMAGES.T @ (temperature * (p - q)) / len(IMAGES)
    return ce, kl, ce_gradient, kl_gradient


def classic(temperature=4.0, alpha=0.9):
    losses = ((LogitDistillation(temperature), alpha),)
    return {"losses": losses, "hard_weight": 1 - alpha}


def compiled(student, teacher, rate=0.5, **options):
    distiller = Distiller(student, teacher, **options)
    distiller.compile(
        keras.optimizers.SGD(rate),
        cross_entropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return distiller


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
def test_one_step_by_arithmetic(alpha):
    student, teacher = linear(STUDENT, "student"), linear(TEACHER, "teacher")
    distiller = compiled(student, teacher, **classic(3.0, alpha))
    logs = distiller.fit(IMAGES, LABELS, verbose=0).history
    ce, kl, ce_gradient, kl_gradient = expected(3.0)
    assert logs["student_loss"] == pytest.approx([ce], rel=1e-5)
    assert logs["logit_distillation"] == pytest.approx([kl], rel=1e-5)
    assert logs["loss"] == pytest.approx([alpha * kl + (1 - alpha) * ce], rel=1e-5)
    step = alpha * kl_gradient + (1 - alpha) * ce_gradient
    np.testing.assert_allclose(
        student.get_weights()[0], np.array(STUDENT) - 0.5 * step, atol=1e-6
    )


@pytest.mark.parametrize(
    ("weight", "hard_weight", "message"),
    [
        (0.0, 0, "losses=.*LogitMatching.*, 0.0.* must be weighted above 0 in sum"),
        (-1.0, 1.0, "losses=.*, -1.0.* must be weighted by 0 or more"),
        (1.0, -0.5, "hard_weight=-0.5 must be weighted by 0 or more"),
    ],
)
def test_refuses_weights_that_say_nothing(weight, hard_weight, message):
    models = linear(STUDENT, "student"), linear(TEACHER, "teacher")
    with pytest.raises(InvalidArgumentError, match=f"^Distiller {message}"):
        Distiller(*models, ((LogitMatching(), weight),), hard_weight)


@pytest.mark.parametrize("option", ["sample_weight", "class_weight"])
def test_one_step_of_weighted_images_by_arithmetic(option):
    student, teacher = linear(STUDENT, "student"), linear(TEACHER, "teacher")
    distiller = compiled(student, teacher, **classic(3.0, 0.7))
    # The first image is of class 1, the second of class 0.
    shares = np.array([2.0, 0.5], np.float32)
    given = {"sample_weight": shares, "class_weight": {0: 0.5, 1: 2.0}}
    logs = distiller.fit(IMAGES, LABELS, verbose=0, **{option: given[option]}).history
    p, one_hot = softmax(IMAGES @ np.array(STUDENT)), np.eye(3)[LABELS]
    # As Keras has it: the sum is divided by the number of images.
    ce = (shares * -np.log((p * one_hot).sum(-1))).sum() / 2
    gradient = IMAGES.T @ (shares[:, None] * (p - one_hot)) / 2
    _, kl, _, kl_gradient = expected(3.0)
    assert logs["student_loss"] == pytest.approx([ce], rel=1e-5)
    assert logs["logit_distillation"] == pytest.approx([kl], rel=1e-5)
    assert logs["loss"] == pytest.approx([0.7 * kl + 0.3 * ce], rel=1e-5)
    np.testing.assert_allclose(
        student.get_weights()[0],
        np.array(STUDENT) - 0.5 * (0.7 * kl_gradient + 0.3 * gradient),
        atol=1e-6,
    )


def test_evaluates_weighted_images():
    student, teacher = linear(STUDENT, "student"), linear(TEACHER, "teacher")
    distiller = compiled(student, teacher)
    shares = np.array([2.0, 0.0])
    found = distiller.evaluate(IMAGES, LABELS, sample_weight=shares, verbose=0)
    p = softmax(IMAGES @ np.array(STUDENT))
    assert found[0] == pytest.approx(2 * -np.log(p[0, 1]) / 2, rel=1e-5)


def test_one_step_on_pixels_is_that_on_images_of_one_pixel():
    def per_pixel(weights, name):
        image = keras.Input((1, 2, 2))
        conv = keras.layers.Conv2D(3, 1, use_bias=False)
        model = keras.Model(image, conv(image), name=name)
        model.set_weights([np.array(weights, np.float32)[None, None]])
        return model

    student, teacher = per_pixel(STUDENT, "student"), per_pixel(TEACHER, "teacher")
    distiller = Distiller(student, teacher, **classic(3.0, 0.7))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(keras.optimizers.SGD(0.5), loss)
    pixels, classes = IMAGES.reshape(1, 1, 2, 2), LABELS.reshape(1, 1, 2)
    logs = distiller.fit(pixels, classes, verbose=0).history
    ce, kl, ce_gradient, kl_gradient = expected(3.0)
    assert logs["loss"] == pytest.approx([0.7 * kl + 0.3 * ce], rel=1e-5)
    np.testing.assert_allclose(
        student.get_weights()[0][0, 0],
        np.array(STUDENT) - 0.5 * (0.7 * kl_gradient + 0.3 * ce_gradient),
        atol=1e-6,
    )


def test_logits_that_come_with_the_images_are_a_teacher():
    online, cached = linear(STUDENT, "online"), linear(STUDENT, "cached")
    teacher = linear(TEACHER, "teacher")
    compiled(online, teacher).fit(IMAGES, LABELS, batch_size=2, verbose=0)
    batch = ((IMAGES, teacher(IMAGES)), LABELS)
    batches = tf.data.Dataset.from_tensors(batch)
    compiled(cached, None).fit(batches, verbose=0)
    np.testing.assert_allclose(cached.get_weights(), online.get_weights(), atol=1e-7)


def test_evaluates_the_student_alone():
    student, teacher = linear(STUDENT, "student"), linear(TEACHER, "teacher")
    distiller = compiled(student, teacher)
    logs = distiller.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)
    # Student logits: (0.9, -0.8, 0.9) and (0.1, -0.45, 0.6): both labels missed.
    assert logs == {
        "loss": pytest.approx(expected(4.0)[0], rel=1e-5),
        "accuracy": 0.0,
    }
    np.testing.assert_array_equal(
        distiller.predict(IMAGES, verbose=0), student.predict(IMAGES, verbose=0)
    )


def test_regularization_counts_once_whatever_alpha():
    student = linear(STUDENT, "student", kernel_regularizer=keras.regularizers.L2(0.01))
    distiller = compiled(
        student, linear(TEACHER, "teacher"), rate=0.0, **classic(4.0, 0.25)
    )
    logs = distiller.fit(
        IMAGES, LABELS, validation_data=(IMAGES, LABELS), verbose=0
    ).history
    ce, kl, *_ = expected(4.0)
    penalty = 0.01 * np.square(STUDENT).sum()
    assert logs["loss"] == pytest.approx([0.25 * kl + 0.75 * ce + penalty], rel=1e-5)
    assert logs["val_loss"] == pytest.approx([ce + penalty], rel=1e-5)


def test_teacher_is_frozen_and_in_inference_mode():
    keras.utils.set_random_seed(0)
    teacher = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dropout(0.9, name="drop"),
            keras.layers.Dense(3, name="logits"),
        ],
        name="teacher",
    )
    before = teacher.get_weights()
    teacher_logits = teacher.predict(IMAGES, verbose=0)
    student = linear(STUDENT, "student")
    distiller = compiled(student, teacher, rate=0.0, **classic(1.0, 1.0))
    logs = distiller.fit(IMAGES, LABELS, verbose=0).history

    q, p = softmax(teacher_logits), softmax(IMAGES @ np.array(STUDENT))
    kl = (q * np.log(q / p)).sum(-1).mean()
    assert logs["loss"] == pytest.approx([kl], rel=1e-4)
    for now, then in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert teacher.trainable
    assert len(distiller.trainable_weights) == 1


def convolutional(channels, seed, name, side=6):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    image = keras.Input((side, side, 1), name="image")
    x = layers.Conv2D(channels, 3, name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name=name)


def pictures(num=24, side=6):
    random = np.random.default_rng(0)
    images = random.normal(size=(num, side, side, 1)).astype(np.float32)
    return images, np.arange(num) % 3


class OldDistiller(keras.Model):
    """The one objective there was before others could be chosen, as it was written."""

    def __init__(self, student, teacher, temperature, alpha):
        super().__init__()
        self.student, self.teacher = student, teacher
        self.temperature, self.alpha = temperature, alpha

    def train_step(self, data):
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
        return {"loss": loss}


def test_plain_distillation_is_bit_by_bit_what_it_was():
    teacher = convolutional(6, 1, "teacher")
    results = []
    for make in (
        lambda student: OldDistiller(student, teacher, 3.0, 0.7),
        lambda student: Distiller(student, teacher, **classic(3.0, 0.7)),
    ):
        student = convolutional(4, 0, "student")
        distiller = make(student)
        distiller.compile(keras.optimizers.Adam(0.01), cross_entropy())
        distiller.fit(*pictures(), batch_size=8, epochs=3, shuffle=False, verbose=0)
        results.append(student.get_weights())
    for old, new in zip(*results, strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_step_with_a_projection_by_arithmetic():
    student, teacher = linear(STUDENT, "student"), linear(TEACHER, "teacher")
    losses = ((FeatureDistillation("logits", "logits"), 2.0), (LogitMatching(), 0.5))
    distiller = compiled(student, teacher, losses=losses, hard_weight=0.0)
    ((projection,), ()) = (by_name.values() for by_name in distiller.projections)
    before = projection.get_weights()[0].astype(np.float64)
    logs = distiller.fit(IMAGES, LABELS, verbose=0).history

    s, t = IMAGES @ np.array(STUDENT), IMAGES @ np.array(TEACHER)
    hint, match = s @ before - t, s - t
    assert logs["feature_distillation_logits"] == pytest.approx(
        [np.square(hint).mean()], rel=1e-5
    )
    assert logs["logit_matching"] == pytest.approx([np.square(match).mean()], rel=1e-5)
    total = 2 * np.square(hint).mean() + 0.5 * np.square(match).mean()
    assert logs["loss"] == pytest.approx([total], rel=1e-5)
    # The mean of squares of 6 elements.
    to_logits = 2.0 * hint @ before.T / 3 + 0.5 * match / 3
    np.testing.assert_allclose(
        student.get_weights()[0],
        np.array(STUDENT) - 0.5 * IMAGES.T @ to_logits,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        projection.get_weights()[0], before - 0.5 * 2.0 * s.T @ hint / 3, atol=1e-5
    )


@keras.saving.register_keras_serializable("tests")
class CountCalls(keras.layers.Layer):
    """Counts the passes through it, those of a traced step too."""

    def build(self, shape):
        self.calls = self.add_weight(name="calls", dtype="int32", trainable=False)

    def call(self, inputs):
        self.calls.assign_add(1)
        return inputs


def test_each_model_is_called_once_a_step():
    models, counters = [], []
    for name in ("student", "teacher"):
        plain = convolutional(4, 0, name)
        counters.append(CountCalls(name="count"))
        logits = counters[-1](plain.output)
        models.append(keras.Model(plain.input, logits, name=name))
    losses = (
        (LogitDistillation(), 1.0),
        (FeatureDistillation("relu", "conv"), 1.0),
        (FeatureDistillation("pool", "pool"), 1.0),
        (AttentionTransfer("relu", "relu"), 1.0),
    )
    distiller = compiled(*models, losses=losses)
    distiller.fit(*pictures(), batch_size=8, epochs=2, verbose=0)
    assert [int(counter.calls) for counter in counters] == [6, 6]


def test_names_of_curves_and_that_they_start_anew_each_epoch():
    losses = (
        (FeatureDistillation("relu", "conv"), 1.0),
        (FeatureDistillation("relu", "relu"), 0.0),
    )
    distiller = compiled(
        convolutional(4, 0, "student"),
        convolutional(4, 1, "teacher"),
        rate=0.0,
        losses=losses,
    )
    images, labels = pictures(8)
    logs = distiller.fit(images, labels, epochs=2, batch_size=8, verbose=0).history
    assert set(logs) == {
        *("loss", "accuracy", "student_loss"),
        *("feature_distillation_relu", "feature_distillation_relu_2"),
    }
    for name in ("loss", "feature_distillation_relu"):
        # BatchNormalization takes the batch's statistics: nothing else changes.
        assert logs[name][0] == logs[name][1] > 0


def test_weights_may_follow_the_step():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [2.0, 5.0])
    student, teacher = linear(STUDENT, "student"), linear(TEACHER, "teacher")
    losses = ((LogitMatching(), schedule),)
    distiller = compiled(student, teacher, 0.0, losses=losses, hard_weight=schedule)
    logs = distiller.fit(IMAGES, LABELS, epochs=2, verbose=0).history
    one = logs["logit_matching"][0] + logs["student_loss"][0]
    assert logs["loss"] == pytest.approx([2 * one, 5 * one], rel=1e-5)


def test_projections_start_from_the_seed():
    def weights(seed):
        losses = 2 * ((FeatureDistillation("conv", "relu"), 1.0),)
        models = convolutional(4, 0, "student"), convolutional(5, 1, "teacher")
        distiller = Distiller(*models, losses, seed=seed)
        return [by_name["conv"].get_weights()[0] for by_name in distiller.projections]

    (first, second), again, other = weights(0), weights(0), weights(1)
    assert first.shape == (4, 5)
    np.testing.assert_array_equal(first, again[0])
    assert np.abs(first - second).min() > 0
    assert np.abs(first - other[0]).min() > 0


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            FeatureDistillation("rely", "conv"),
            r"student 'student' has no layer 'rely' .* Did you mean 'relu'\?",
        ),
        (
            FeatureDistillation("relu", "block_7"),
            r"teacher 'teacher' has no layer 'block_7' .* It has \['image', 'conv'",
        ),
        (
            FeatureDistillation("relu", "pool"),
            r"'relu' \(None, 4, 4, 4\) with the teacher's 'pool' \(None, 5\)",
        ),
    ],
)
def test_layers_that_cannot_be_compared(loss, message):
    models = convolutional(4, 0, "student"), convolutional(5, 1, "teacher")
    with pytest.raises(ModelError, match=message) as error:
        Distiller(*models, ((loss, 1.0),))
    assert "\n" not in str(error.value)


def test_no_curve_takes_the_name_of_a_layer_that_ends_in_a_number():
    image = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(2, 1, name="conv")(image)
    x = keras.layers.Conv2D(2, 1, name="conv_2")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    student = keras.Model(image, keras.layers.Dense(3)(x))
    pairs = (("conv", "conv"), ("conv", "relu"), ("conv_2", "conv"))
    losses = tuple((AttentionTransfer(*pair), 1.0) for pair in pairs)
    distiller = compiled(student, convolutional(4, 1, "teacher"), losses=losses)
    logs = distiller.fit(*pictures(8), verbose=0).history
    assert [name for name in logs if name.startswith("attention")] == [
        *("attention_transfer_conv", "attention_transfer_conv_3"),
        "attention_transfer_conv_2",
    ]


def test_a_teacher_that_does_not_fit_is_refused_at_once():
    # A single logit would be compared with each of the student's three.
    single = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], "single")
    student = linear(STUDENT, "student")
    with pytest.raises(ModelError, match=r"'single' has output_shape \(1,\), the stud"):
        Distiller(student, single)
    with pytest.raises(ModelError, match="shares variables with the student"):
        Distiller(student, student)
    losses = ((FeatureDistillation("logits", "logits"), 1.0),)
    with pytest.raises(ModelError, match="teacher is None, but the losses compare"):
        Distiller(student, None, losses)


@pytest.mark.parametrize("optimizer", ["adagrad", "adamw", "rmsprop", "sgd"])
def test_compiles_with_any_optimizer(optimizer):
    student, teacher = linear(STUDENT, "student"), linear(TEACHER, "teacher")
    losses = ((FeatureDistillation("logits", "logits"), 1.0),)
    distiller = Distiller(student, teacher, losses)
    distiller.compile(optimizer, cross_entropy())
    projection = distiller.projections[0]["logits"].get_weights()[0]
    distiller.fit(IMAGES, LABELS, verbose=0)
    assert np.abs(student.get_weights()[0] - STUDENT).max() > 1e-6
    after = distiller.projections[0]["logits"].get_weights()[0]
    assert np.abs(after - projection).max() > 1e-6


def test_half_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        models = convolutional(4, 0, "student"), convolutional(5, 1, "teacher")
        losses = (
            (LogitDistillation(), 1.0),
            (FeatureDistillation("relu", "relu"), 1.0),
        )
        distiller = compiled(*models, rate=0.01, losses=losses)
        logs = distiller.fit(*pictures(8), epochs=3, verbose=0).history
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert models[0].output.dtype == "float16"
    assert np.isfinite(logs["loss"]).all()
    assert logs["loss"][2] < logs["loss"][0]


def test_config_round_trip():
    schedule = keras.optimizers.schedules.CosineDecay(2.0, 10)
    losses = (
        (LogitDistillation(2.0), 0.3),
        (FeatureDistillation("relu", "conv"), schedule),
    )
    models = convolutional(4, 0, "student"), convolutional(5, 1, "teacher")
    distiller = Distiller(*models, losses, hard_weight=0.7, seed=3)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(distiller)
    )
    assert isinstance(copy, Distiller)
    assert [loss for loss, _ in copy.terms] == [loss for loss, _ in losses]
    assert copy.terms[0][1] == 0.3
    assert copy.terms[1][1].get_config() == schedule.get_config()
    assert (copy.hard_weight, copy.seed) == (0.7, 3)
    assert copy.student.name == "student"
    assert copy.teacher.output_shape == (None, 3)
    np.testing.assert_array_equal(
        copy.projections[1]["relu"].get_weights()[0],
        distiller.projections[1]["relu"].get_weights()[0],
    )


def test_a_config_can_be_used_twice():
    config = Distiller(
        linear(STUDENT, "student"), linear(TEACHER, "teacher")
    ).get_config()
    first, second = (Distiller.from_config(config) for _ in range(2))
    assert first.get_config() == second.get_config() == config


def test_a_step_on_two_devices_is_that_of_one():
    script = """
import sys
import numpy as np
import tensorflow as tf
import tf_keras as keras
from tfcompress.training.distillation import FeatureDistillation, LogitDistillation
from tfcompress.training.distiller import Distiller

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
images = np.random.default_rng(0).random((8, 4), np.float32)
labels = np.arange(8) % 3


def net(seed):
    keras.utils.set_random_seed(seed)
    image = keras.Input((4,))
    x = keras.layers.Dense(5, "relu", name="hidden", kernel_regularizer="l2")(image)
    return keras.Model(image, keras.layers.Dense(3)(x))


def train(strategy):
    with strategy.scope():
        student, teacher = net(0), net(1)
        losses = (
            (LogitDistillation(), 0.7), (FeatureDistillation("hidden", "hidden"), 0.5)
        )
        distiller = Distiller(student, teacher, losses, 0.3, **options)
        distiller.compile(
            keras.optimizers.SGD(0.5),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    logs = distiller.fit(images, labels, batch_size=8, epochs=2, verbose=0).history
    return student.get_weights() + teacher.get_weights(), logs


for options in ({}, {"teacher_momentum": 0.9}):
    weights, logs = train(tf.distribute.get_strategy())
    both, both_logs = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    for one, other in zip(weights, both, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for name in logs:
        np.testing.assert_allclose(logs[name], both_logs[name], rtol=1e-4, err_msg=name)
print("equal")
"""
    # Logical devices are made before TensorFlow starts.
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "equal\n", done.stderr[-3000:]


def test_a_step_equals_that_of_keras_3():
    import keras as keras_3

    def twin(weights, name):
        image = keras_3.Input((2,))
        outputs = keras_3.layers.Dense(3, use_bias=False)(image)
        model = keras_3.Model(image, outputs, name=name)
        model.set_weights([np.array(weights, np.float32)])
        return model

    their_student = twin(STUDENT, "student")
    # By default (its loss as a text) it takes no softmax of the logits: Keras 3.15.
    divergence = keras_3.losses.KLDivergence()
    theirs = keras_3.distillation.Distiller(
        teacher=twin(TEACHER, "teacher"),
        student=their_student,
        distillation_losses=keras_3.distillation.LogitsDistillation(3.0, divergence),
        student_loss_weight=0.3,
    )
    theirs.compile(
        keras_3.optimizers.SGD(0.5),
        keras_3.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    student = linear(STUDENT, "student")
    ours = compiled(student, linear(TEACHER, "teacher"), **classic(3.0, 0.7))
    logs = ours.fit(IMAGES, LABELS, epochs=3, verbose=0).history
    their_logs = theirs.fit(IMAGES, LABELS, epochs=3, verbose=0).history
    np.testing.assert_allclose(logs["loss"], their_logs["loss"], rtol=1e-5)
    np.testing.assert_allclose(
        logs["student_loss"], their_logs["student_loss"], rtol=1e-5
    )
    np.testing.assert_allclose(
        student.get_weights(), their_student.get_weights(), atol=1e-6
    )


def test_one_that_was_saved_trains_on_as_if_it_had_not_been(tmp_path):
    losses = ((LogitDistillation(), 1.0), (FeatureDistillation("relu", "relu"), 1.0))
    models = convolutional(4, 0, "student"), convolutional(5, 1, "teacher")
    distiller = Distiller(*models, losses)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Adam's second step depends on what it remembers of the first.
    distiller.compile(keras.optimizers.Adam(0.01), loss)
    distiller.fit(*pictures(), shuffle=False, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    saved = keras.models.load_model(tmp_path / "distiller.keras")
    logs = [
        each.fit(*pictures(), epochs=2, shuffle=False, verbose=0).history
        for each in (distiller, saved)
    ]
    assert logs[0] == logs[1]
    for one, other in zip(
        distiller.trainable_weights, saved.trainable_weights, strict=True
    ):
        np.testing.assert_array_equal(one, other)
