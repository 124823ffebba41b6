import numpy as np
import pytest
import tf_keras as keras
from tiny import dense

from tfcompress.errors import ModelError
from tfcompress.training.teacher_fit import check_teacher_fits


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (dense(num_classes=5, name="big"), r"output_shape \(5,\), the student"),
        (dense(side=8, name="big"), r"input_shape \(8, 8, 1\), the student"),
        (
            dense(activation="softmax", name="big"),
            "teacher 'big' outputs probabilities",
        ),
    ],
)
def test_teacher_that_does_not_fit(teacher, message):
    with pytest.raises(ModelError, match=message):
        check_teacher_fits(teacher, dense())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_teacher_whose_weights_are_no_numbers(value):
    teacher = dense(name="big")
    kernel, bias = teacher.get_weights()
    kernel[0, 0] = value
    teacher.set_weights([kernel, bias])
    with pytest.raises(ModelError, match=r"'big' has weights that are NaN or inf"):
        check_teacher_fits(teacher, dense())


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.logits = keras.layers.Dense(3)

    def call(self, inputs, training=False):
        return self.logits(keras.layers.Flatten()(inputs))


def test_teacher_without_known_shapes():
    for teacher in (Subclassed(), keras.Sequential([keras.layers.Dense(3)], "own")):
        with pytest.raises(ModelError, match=r"'own' has no known input .* rebuild it"):
            check_teacher_fits(teacher, dense())


def test_teacher_with_outputs_by_name():
    teacher = dense(name="dict")
    teacher = keras.Model(teacher.inputs, {"logits": teacher.outputs[0]}, name="dict")
    with pytest.raises(ModelError, match=r"'dict' has output_shape \{'logits'"):
        check_teacher_fits(teacher, dense())


def test_teacher_that_is_the_student():
    student = dense()
    twin = keras.Model(student.inputs, student.outputs, name="twin")
    for teacher in (student, twin):
        with pytest.raises(ModelError, match="shares variables"):
            check_teacher_fits(teacher, student)
