import numpy as np
import pytest
import tf_keras as keras

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
    distiller = compiled(student, teacher, temperature=3.0, alpha=alpha)
    logs = distiller.fit(IMAGES, LABELS, verbose=0).history
    ce, kl, ce_gradient, kl_gradient = expected(3.0)
    assert logs["student_loss"] == pytest.approx([ce], rel=1e-5)
    assert logs["distillation_loss"] == pytest.approx([kl], rel=1e-5)
    assert logs["loss"] == pytest.approx([alpha * kl + (1 - alpha) * ce], rel=1e-5)
    step = alpha * kl_gradient + (1 - alpha) * ce_gradient
    np.testing.assert_allclose(
        student.get_weights()[0], np.array(STUDENT) - 0.5 * step, atol=1e-6
    )


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
    distiller = compiled(student, linear(TEACHER, "teacher"), rate=0.0, alpha=0.25)
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
    distiller = compiled(student, teacher, rate=0.0, temperature=1.0, alpha=1.0)
    logs = distiller.fit(IMAGES, LABELS, verbose=0).history

    q, p = softmax(teacher_logits), softmax(IMAGES @ np.array(STUDENT))
    kl = (q * np.log(q / p)).sum(-1).mean()
    assert logs["loss"] == pytest.approx([kl], rel=1e-4)
    for now, then in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert teacher.trainable
    assert len(distiller.trainable_weights) == 1


def test_config_round_trip():
    distiller = Distiller(
        linear(STUDENT, "student"), linear(TEACHER, "teacher"), temperature=2, alpha=0.3
    )
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(distiller)
    )
    assert isinstance(copy, Distiller)
    assert (copy.temperature, copy.alpha) == (2, 0.3)
    assert copy.student.name == "student"
    assert copy.teacher.output_shape == (None, 3)
