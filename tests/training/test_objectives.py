import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras
import tiny
from tiny import dense

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.run import Run
from tfcompress.training.distillation import (
    FeatureDistillation,
    LogitDistillation,
    LogitMatching,
    MeanTeacher,
)
from tfcompress.training.objectives import Distillation
from tfcompress.training.schedules import CosineDecay


def run(**teachers):
    return Run(data=tiny.data(), teachers=teachers)


def test_teacher_by_name_or_live():
    teacher = dense(name="big")
    assert Distillation("big").resolve(dense(), run(big=teacher)) is teacher
    assert Distillation(teacher).resolve(dense(), run()) is teacher


def test_teacher_from_a_file(tmp_path):
    teacher = dense(name="big")
    teacher.save(tmp_path / "big.keras")
    loaded = Distillation(str(tmp_path / "big.keras")).resolve(dense(), run())
    assert loaded.get_weights()[0].tolist() == teacher.get_weights()[0].tolist()


def test_unknown_teacher_names_the_nearest():
    with pytest.raises(ModelError, match=r"no teacher 'bgi'.*Did you mean 'big'\?"):
        Distillation("bgi").resolve(dense(), run(big=dense()))


@pytest.mark.parametrize("teacher", ["", ("big", ""), {"": 1.0}])
def test_refuses_a_teacher_without_a_name(teacher):
    with pytest.raises(InvalidArgumentError, match="the name of a teacher or of a"):
        Distillation(teacher)


def test_teacher_of_any_image_size():
    image = keras.Input((None, None, 1))
    x = keras.layers.GlobalAveragePooling2D()(image)
    teacher = keras.Model(image, keras.layers.Dense(3)(x), name="any")
    assert Distillation(teacher).resolve(dense(), run()) is teacher
    mean = Distillation((teacher, dense(name="fixed"))).resolve(dense(), run())
    assert mean.input_shape == (None, 4, 4, 1)
    with pytest.raises(ModelError, match=r"'small' has input_shape \(4, 4, 1\)"):
        Distillation(dense(name="small")).resolve(teacher, run())


def test_teacher_that_would_see_the_pixels_as_zeros():
    image = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    teacher = keras.Model(image, keras.layers.Dense(3)(x), name="bytes")
    with pytest.raises(ModelError, match="'bytes' takes uint8, which would cut"):
        Distillation(teacher).resolve(dense(side=8), run())


def test_live_teacher_of_keras_3_is_to_be_converted():
    inputs = keras_3.Input((4, 4, 1))
    teacher = keras_3.Model(inputs, keras_3.layers.Flatten()(inputs))
    for source in (teacher, ("first", teacher)):
        with pytest.raises(InvalidArgumentError, match=r"a tf_keras model: .*load_mod"):
            Distillation(source)


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


def test_temperature_and_alpha_are_short_for_losses():
    short = Distillation("teacher", temperature=3.0, alpha=0.75)
    assert short.terms == ((LogitDistillation(3.0), 0.75),)
    assert short.label_weight == 0.25
    losses = [(LogitMatching(), 2.0), (LogitDistillation(), CosineDecay(1.0))]
    long = Distillation("teacher", losses=losses)
    assert long.terms == tuple(losses)
    assert long.label_weight == pytest.approx(0.1)
    assert Distillation("teacher", losses=losses, hard_weight=0.0).label_weight == 0
    assert Distillation("teacher", alpha=1.0, hard_weight=0.5).label_weight == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": ((LogitMatching(), 1.0),), "alpha": 0.5}, "alpha=0.5 must be left"),
        ({"losses": ((LogitMatching(), 1.0),), "temperature": 2}, "temperature=2 must"),
        ({"losses": ((LogitMatching(), -1.0),)}, "losses=.* 0 or more"),
        (
            {"losses": (("logits", 1.0),)},
            r"losses\[0\]\[0\]='logits' must be a Distill",
        ),
        ({"losses": (LogitMatching(),)}, r"losses\[0\]=LogitMatching"),
        ({"hard_weight": -0.5}, "hard_weight=-0.5 must be weighted by 0 or more"),
        (
            {"losses": ((LogitMatching(), 0.0),), "hard_weight": 0.0},
            "losses=.* above 0 in sum",
        ),
    ],
)
def test_refuses_weights_that_say_nothing(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Distillation("teacher", **options)


@pytest.mark.parametrize("teacher", [(), {}, {"a": 0.0}, {"a": 1.0, "b": -0.5}])
def test_refuses_teachers_of_no_weight(teacher):
    with pytest.raises(InvalidArgumentError, match=r"teacher=.* above 0 in sum"):
        Distillation(teacher)


def test_layers_are_compared_with_one_teacher_only():
    losses = ((FeatureDistillation("flat", "flat"), 1.0),)
    assert Distillation(("a",), losses=losses).teachers == (("a", 1.0),)
    with pytest.raises(InvalidArgumentError, match="a single one for losses"):
        Distillation(("a", "b"), losses=losses)


@pytest.mark.parametrize(
    ("teacher", "shares"),
    [(("first", "second"), (0.5, 0.5)), ({"first": 3.0, "second": 1.0}, (0.75, 0.25))],
)
def test_several_teachers_are_one_with_the_mean_of_their_logits(teacher, shares):
    # Two of one name, as two seeds of one architecture have.
    models = {name: dense(name="big") for name in ("first", "second")}
    mean = Distillation(teacher).resolve(dense(), run(**models))
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 1)).astype(np.float32)
    expected = sum(
        share * model.predict(images, verbose=0)
        for share, model in zip(shares, models.values(), strict=True)
    )
    np.testing.assert_allclose(mean.predict(images, verbose=0), expected, rtol=1e-5)


def test_live_teachers_may_be_weighted(tmp_path):
    first, second = dense(name="big"), dense(name="big")
    second.save(tmp_path / "second.keras")
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 1)).astype(np.float32)
    expected = 0.8 * first.predict(images, verbose=0)
    expected += 0.2 * second.predict(images, verbose=0)
    for other in (second, tmp_path / "second.keras"):
        mean = Distillation({first: 4.0, other: 1.0}).resolve(dense(), run())
        np.testing.assert_allclose(
            mean.predict(images, verbose=0), expected, rtol=1e-4, atol=1e-6
        )
    with pytest.raises(InvalidArgumentError, match="a MeanTeacher alone"):
        Distillation({first: 1.0, MeanTeacher(): 1.0})


def test_each_of_several_teachers_must_fit():
    models = {"good": dense(name="good"), "odd": dense(num_classes=5, name="odd")}
    with pytest.raises(ModelError, match=r"teacher 'odd' has output_shape \(5,\)"):
        Distillation(("good", "odd")).resolve(dense(), run(**models))
