import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.training.distillation.mean_teacher import copy_of, follow


def single(value):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[value]], np.float32)])
    return model


def test_follows_by_arithmetic():
    teacher, student = single(4.0), single(10.0)
    # After the first step nothing of the start is kept, after the second a half,
    # after the third two thirds, which the momentum lowers to 0.6.
    for made, (value, mean) in enumerate([(10.0, 10.0), (2.0, 6.0), (11.0, 8.0)], 1):
        student.set_weights([np.array([[value]], np.float32)])
        follow(teacher, student, 0.6, tf.constant(made, tf.int64))
        assert teacher.get_weights()[0] == pytest.approx(mean)


def test_teaches_while_pruning_and_is_left_behind(tmp_path):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    objective = tfc.Distillation(tfc.MeanTeacher(0.9), alpha=0.5)
    stage = tfc.Pruning(final_sparsity=0.5, epochs=2, batch_size=8, objective=objective)
    model = tiny.model()
    pruned = stage(model, run)
    assert len(pruned.weights) == len(model.weights)
    kernel = pruned.get_layer("stem_conv").get_weights()[0]
    assert np.mean(kernel == 0) == pytest.approx(0.5, abs=0.01)


def test_its_first_answer_is_the_students_own(tmp_path):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    losses = ((tfc.LogitMatching(), 1.0),)
    objective = tfc.Distillation(tfc.MeanTeacher(), losses=losses, hard_weight=0.0)
    # Without BatchNorm teacher and student agree, so that nothing is learnt.
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    trained = tfc.Training(epochs=2, objective=objective)(model, run)
    np.testing.assert_array_equal(trained.get_weights()[0], model.get_weights()[0])


def test_quantized_models_are_refused():
    with pytest.raises(InvalidArgumentError, match="a float teacher: a MeanTeacher"):
        tfc.QuantizationAware(objective=tfc.Distillation(tfc.MeanTeacher()))
    with pytest.raises(ModelError, match="cannot have a MeanTeacher; let it learn"):
        copy_of(fake_quantize(tiny.model()))


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_momentum_is_in_range(momentum):
    with pytest.raises(InvalidArgumentError, match=r"in \[0, 1\)"):
        tfc.MeanTeacher(momentum)


def test_a_recipe_can_store_it():
    stage = tfc.Training(objective=tfc.Distillation(tfc.MeanTeacher(0.99)))
    recipe = tfc.Recipe(
        data=tfc.Data("fashion_mnist_small"),
        model=tfc.Architecture("resnet8"),
        stages=(stage,),
    )
    assert tfc.Recipe.from_dict(recipe.to_dict()) == recipe
