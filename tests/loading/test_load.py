import resource

import keras as keras_3
import numpy as np
import pytest
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from tfcompress.errors import ModelError, WorkdirError
from tfcompress.loading import load_model, save_model
from tfcompress.loading.load import load

IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")


def small_model(library=keras):
    """A branch, a join, a nested model called twice: 8x8x3 -> 3."""
    library.utils.set_random_seed(1)
    layers = library.layers
    twice = library.Sequential(
        [layers.Input((8, 8, 4)), layers.Conv2D(4, 1, name="inner", activation="relu")],
        name="twice",
    )
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(6.0, name="relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Add(name="add")([twice(x), twice(y)])
    x = layers.Concatenate(name="join")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    outputs = layers.Dense(3, name="logits", kernel_regularizer="l2")(x)
    model = library.Model(image, outputs, name="small")
    model.get_layer("norm").set_weights([np.full(4, v) for v in (2.0, 0.5, 0.1, 3.0)])
    return model


def quantized_model(plain_model, scheme=None):
    quantization = tfmot.quantization.keras
    annotated = quantization.quantize_annotate_model(plain_model)
    if scheme is None:
        return quantization.quantize_apply(annotated)
    return quantization.quantize_apply(annotated, scheme)


def outputs_of(model):
    return np.asarray(model(IMAGES, training=False))


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "other_ending.bin"])
def test_a_tf_keras_file_comes_back_bit_equal(tmp_path, name):
    model = small_model()
    path = tmp_path / name
    model.save(path, save_format="h5" if name != "model.keras" else "keras")
    loaded = load_model(path)
    names = ["inner" if layer.name == "twice" else layer.name for layer in model.layers]
    assert [layer.name for layer in loaded.layers] == names
    for layer in loaded.layers:
        inner = layer.name == "inner"
        twin = (model.get_layer("twice") if inner else model).get_layer(layer.name)
        for got, expected in zip(layer.weights, twin.weights, strict=True):
            np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(outputs_of(loaded), outputs_of(model))


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_keras_3_file_computes_the_same_in_tf_keras(tmp_path, name):
    model = small_model(keras_3)
    model.save(tmp_path / name)
    loaded = load_model(tmp_path / name)
    assert isinstance(loaded, keras.Model)
    np.testing.assert_allclose(outputs_of(loaded), outputs_of(model), atol=1e-6)
    # Keras 3 notes `training=False` in the file; dropout has to work all the same.
    assert not np.array_equal(loaded(IMAGES, training=True), outputs_of(model))


def test_live_models_pass_or_are_rebuilt(plain_model):
    assert load_model(plain_model) is plain_model
    for library in (keras, keras_3):
        model = small_model(library)
        loaded = load_model(model)
        np.testing.assert_allclose(outputs_of(loaded), outputs_of(model), atol=1e-6)
        assert load_model(loaded) is loaded


@pytest.mark.parametrize("library", [keras, keras_3])
def test_a_sequential_file_comes_back_functional(tmp_path, library):
    model = library.Sequential(
        [
            library.layers.Input((8, 8, 3)),
            library.layers.Conv2D(2, 3, activation="relu"),
            library.Sequential([library.layers.Flatten(), library.layers.Dense(2)]),
        ]
    )
    outputs_of(model)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert type(loaded).__name__ == "Functional"
    np.testing.assert_allclose(outputs_of(loaded), outputs_of(model), atol=1e-6)


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_every_file_of_listed_layers_is_compared(tmp_path, library, name):
    path = tmp_path / name
    small_model(library).save(path)
    assert load(path).unchecked is None
    assert load(path, check_outputs=False).unchecked == "check_outputs is off"
    assert load(small_model(library)).unchecked is None


def test_where_nothing_was_compared_it_is_told(tmp_path, plain_model):
    image = keras.Input((8, 8, 3))
    # Keras cannot read what it wrote of an ellipsis.
    keras.Model(image, image[..., :1]).save(tmp_path / "own.h5")
    told = load(tmp_path / "own.h5").unchecked
    assert told == "no original could be made of listed layers alone"
    with pytest.warns(UserWarning, match=r"not compared with those of .*own\.h5"):
        load_model(tmp_path / "own.h5")
    quantized_model(plain_model).save(tmp_path / "qat.keras")
    assert load(tmp_path / "qat.keras").unchecked == "it is quantized already"


@pytest.mark.parametrize("keep_zeros", [False, True])
def test_a_qat_model_comes_back_bit_equal(tmp_path, plain_model, keep_zeros):
    combine = tfmot.experimental.combine
    scheme = combine.Default8BitPrunePreserveQuantizeScheme() if keep_zeros else None
    model = quantized_model(plain_model, scheme)
    model(IMAGES, training=True)
    save_model(model, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert [w.name for w in loaded.weights] == [w.name for w in model.weights]
    for got, expected in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(outputs_of(loaded), outputs_of(model))
    kinds = [type(layer).__name__ for layer in loaded.layers]
    assert kinds == [type(layer).__name__ for layer in model.layers]
    # And a second time, from what was loaded.
    save_model(loaded, tmp_path / "again.keras")
    again = load_model(tmp_path / "again.keras")
    for got, expected in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_failed_save_keeps_the_old_file(tmp_path, plain_model):
    path = tmp_path / "model.keras"
    save_model(plain_model, path)
    old = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(WorkdirError, match=r"model\.keras: .*ulimit -f"):
            save_model(plain_model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]


def test_save_refuses_another_ending(tmp_path, plain_model):
    with pytest.raises(ModelError, match=r"expected a name ending in \.keras"):
        save_model(plain_model, tmp_path / "model.h5")


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(ModelError, match=r"no\.keras does not exist"):
        load_model(tmp_path / "no.keras")
    with pytest.raises(ModelError, match="it is a folder, but no SavedModel"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match=r"^'' does not exist; expected a model file"):
        load_model("")
    with pytest.raises(ModelError, match="an int was given; expected a Keras model"):
        load_model(3)
