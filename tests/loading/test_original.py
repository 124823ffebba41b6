import json

import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras
from tf_keras.src.applications import convnext, inception_resnet_v2

from tfcompress.layers.hard_swish import HardSwish
from tfcompress.loading.load import load
from tfcompress.loading.model_file import ModelFile, read_model_file
from tfcompress.loading.original import original_of

IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")


def model(library):
    image = library.layers.Input((8, 8, 3))
    x = library.layers.Conv2D(3, 1, activation="relu", name="conv")(image)
    x = library.Sequential([library.layers.Dense(3, kernel_regularizer="l2")])(x)
    return library.Model(image, x * 2.0 + image)


@pytest.mark.parametrize(
    ("name", "ending"),
    [("CustomScaleLayer", "keras"), ("LayerScale", "keras"), ("LayerScale", "h5")],
)
def test_layers_of_keras_applications_are_known(tmp_path, name, ending):
    image = keras.layers.Input((8, 8, 3))
    if name == "LayerScale":
        x = convnext.LayerScale(0.5, 3)(image)
    else:
        x = inception_resnet_v2.CustomScaleLayer(scale=0.5)([image, image])
    path = tmp_path / f"model.{ending}"
    written = keras.Model(image, x)
    written.save(path)
    original = original_of(read(path), path, {})
    np.testing.assert_array_equal(original(IMAGES), written(IMAGES))


def read(path):
    return read_model_file(path, 2**30)


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_the_original_is_made_by_the_keras_that_wrote_it(tmp_path, library, ending):
    path = tmp_path / f"model.{ending}"
    written = model(library)
    written.save(path)
    original = original_of(read(path), path, {})
    assert isinstance(original, library.Model)
    np.testing.assert_array_equal(original(IMAGES), written(IMAGES))


@pytest.mark.parametrize(
    "part",
    [
        {"class_name": "get_file", "module": "keras.utils", "config": {}},
        {"class_name": "function", "module": "os", "config": "system"},
        {"class_name": "__lambda__", "config": {"value": "x"}},
        {"class_name": "Lambda", "module": "keras.layers", "config": {}},
        {"class_name": "Evil", "module": "keras.src.ops.numpy.evil", "config": {}},
        {"class_name": "__numpy__", "config": {"value": 0, "dtype": "V1000000000"}},
    ],
)
@pytest.mark.parametrize("library", [keras, keras_3])
def test_of_what_is_not_listed_no_original_is_made(tmp_path, library, part):
    path = tmp_path / "model.keras"
    model(library).save(path)
    file = read(path)
    file.config["config"]["layers"][1]["config"]["bias_regularizer"] = part
    assert original_of(file, path, {}) is None


def test_what_a_file_says_beside_its_layers_is_not_heeded(tmp_path):
    path = tmp_path / "model.keras"
    model(keras_3).save(path)
    file = read(path)
    evil = {"class_name": "get_file", "module": "keras.utils", "config": {}}
    entry = file.config["config"]["layers"][1]
    entry |= {"compile_config": evil, "build_config": evil, "module": "keras.evil"}
    original = original_of(file, path, {})
    np.testing.assert_allclose(original(IMAGES), model_of(path)(IMAGES), atol=1e-6)


def model_of(path):
    return original_of(read(path), path, {})


def test_a_list_of_layers_is_a_sequential_of_old(tmp_path, plain_model):
    """Keras 2.0 to 2.2 wrote no dictionary around the layers of a Sequential."""
    from tfcompress.loading import load_model

    made = keras.Sequential([keras.layers.Dense(3, input_shape=(4,), name="dense")])
    path = tmp_path / "model.h5"
    made.save(path)
    import h5py

    with h5py.File(path, "a") as hdf5:
        config = json.loads(hdf5.attrs["model_config"])
        config["config"] = config["config"]["layers"][1:]
        config["config"][0]["config"]["batch_input_shape"] = [None, 4]
        hdf5.attrs["model_config"] = json.dumps(config)
    ones = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(load_model(path)(ones), made(ones))
    assert isinstance(read(path), ModelFile)


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_normalization_computes_with_what_it_learned(tmp_path, library, ending):
    norm = library.layers.Normalization()
    norm.adapt(IMAGES * 3.0 + 1.0)
    image = library.Input((8, 8, 3))
    written = library.Model(image, norm(image))
    path = tmp_path / f"model.{ending}"
    written.save(path)
    original = original_of(read(path), path, {})
    np.testing.assert_allclose(original(IMAGES), written(IMAGES), atol=1e-6)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_our_own_layers_are_known(tmp_path, ending):
    image = keras.Input((8, 8, 3))
    written = keras.Model(image, HardSwish()(keras.layers.Conv2D(2, 3)(image)))
    path = tmp_path / f"model.{ending}"
    written.save(path)
    loaded = load(path)
    assert loaded.unchecked is None
    np.testing.assert_array_equal(loaded.model(IMAGES), written(IMAGES))
