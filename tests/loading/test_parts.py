import sys
from pathlib import Path

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading import load_model


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("depth", [0, 2])
def test_lambda_is_refused_and_never_run(tmp_path, ending, depth, refused):
    marker = tmp_path / "marker"
    model = keras.Sequential(
        [keras.layers.Lambda(lambda x: x, name="evil", input_shape=(4,))]
    )
    for _ in range(depth):
        image = keras.Input((4,))
        model = keras.Model(image, model(image))
    evil = model.get_layer("evil") if depth == 0 else None
    if evil is not None:
        evil.function = lambda x, p=str(marker): (Path(p).write_text("ran"), x)[1]
    path = tmp_path / f"model.{ending}"
    model.save(path)
    marker.unlink(missing_ok=True)
    refused(path, r"layer evil uses Lambda, .*custom_objects=")
    assert not marker.exists()


def test_a_raw_tensorflow_operation_is_refused(tmp_path, refused):
    image = keras.Input((4,), name="image")
    model = keras.Model(image, tf.math.sin(image))
    model.save(tmp_path / "model.keras")
    refused(tmp_path / "model.keras", "layer tf.math.sin calls tf.math.sin")


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_raw_keras_3_operation_is_not_taken_for_the_layer_of_its_name(
    tmp_path, ending
):
    image = keras_3.Input((4,))
    keras_3.Model(image, image + 1.0).save(tmp_path / f"model.{ending}")
    loaded = load_model(tmp_path / f"model.{ending}")
    np.testing.assert_array_equal(loaded(np.zeros((1, 4))), np.ones((1, 4)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("activation", "deserialize"),
        ("activation", {"class_name": "function", "config": "system", "module": "os"}),
        ("kernel_initializer", {"class_name": "node", "config": {}, "module": "os"}),
        ("kernel_initializer", {"class_name": "__lambda__", "config": {}}),
        ("kernel_regularizer", {"class_name": "get_file", "config": {}}),
        ("padding", {"class_name": "TextVectorization", "config": {"vocabulary": "x"}}),
        ("padding", {"class_name": "Dense", "config": {}, "module": "os.path"}),
    ],
)
def test_a_part_that_is_not_listed_is_refused(saved, key, value, edit, layer_of):
    edit(saved, lambda config: layer_of(config, "conv")["config"].update({key: value}))
    with pytest.raises(ModelError, match="not on the list"):
        load_model(saved)


def test_a_foreign_module_is_never_imported(saved, edit, layer_of, refused):
    def change(config):
        layer_of(config, "conv").update(module="this", registered_name="this>s")

    edit(saved, change)
    assert "this" not in sys.modules
    refused(saved, "layer conv uses Conv2D, which is not on the list")
    assert "this" not in sys.modules


def test_custom_objects_are_taken_from_the_caller(tmp_path, refused):
    class Doubling(keras.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    def cube(x):
        return x**3

    image = keras.Input((4,))
    x = keras.layers.Dense(2, activation=cube, name="dense")(image)
    model = keras.Model(image, Doubling(name="twice")(x))
    model.save(tmp_path / "model.keras")
    refused(tmp_path / "model.keras", "the activation cube|uses .*Doubling")
    known = {"Doubling": Doubling, "cube": cube}
    loaded = load_model(tmp_path / "model.keras", custom_objects=known)
    ones = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(loaded(ones), model(ones))
