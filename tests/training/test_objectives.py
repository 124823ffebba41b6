import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.run import Run
from tfcompress.training.objectives import Distillation, check_outputs_logits


def make(side=4, num_classes=3, activation=None, name="student"):
    return keras.Sequential(
        [
            keras.Input((side, side, 1), name="image"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(num_classes, activation, name="logits"),
        ],
        name=name,
    )


def run(**teachers):
    return Run(data=tiny.data(), teachers=teachers)


def test_teacher_by_name_or_live():
    teacher = make(name="big")
    assert Distillation("big").resolve(make(), run(big=teacher)) is teacher
    assert Distillation(teacher).resolve(make(), run()) is teacher


def test_teacher_from_a_file(tmp_path):
    teacher = make(name="big")
    teacher.save(tmp_path / "big.keras")
    loaded = Distillation(str(tmp_path / "big.keras")).resolve(make(), run())
    assert loaded.get_weights()[0].tolist() == teacher.get_weights()[0].tolist()


def test_unknown_teacher_names_the_nearest():
    with pytest.raises(ModelError, match=r"no teacher 'bgi'.*Did you mean 'big'\?"):
        Distillation("bgi").resolve(make(), run(big=make()))


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (make(num_classes=5, name="big"), r"output_shape \(5,\), the student"),
        (make(side=8, name="big"), r"input_shape \(8, 8, 1\), the student"),
        (make(activation="softmax", name="big"), "teacher 'big' outputs probabilities"),
    ],
)
def test_teacher_that_does_not_fit(teacher, message):
    with pytest.raises(ModelError, match=message):
        Distillation(teacher).resolve(make(), run())


def test_teacher_that_is_the_student():
    student = make()
    twin = keras.Model(student.inputs, student.outputs, name="twin")
    for teacher in (student, twin):
        with pytest.raises(ModelError, match="shares variables"):
            Distillation(teacher).resolve(student, run())


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0.0},
        {"temperature": float("inf")},
        {"temperature": float("nan")},
        {"alpha": -0.1},
        {"alpha": 1.1},
    ],
)
def test_refuses_values_out_of_range(wrong):
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Distillation("teacher", **wrong)


def test_logits_are_told_from_probabilities():
    check_outputs_logits(make(), "model")
    check_outputs_logits(make(activation="linear"), "model")
    with pytest.raises(ModelError, match="softmax"):
        check_outputs_logits(make(activation="softmax"), "model")
    separate = keras.Sequential([make(), keras.layers.Softmax(name="probabilities")])
    with pytest.raises(ModelError, match="'probabilities'"):
        check_outputs_logits(separate, "model")
