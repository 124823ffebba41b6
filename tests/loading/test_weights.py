import json

import h5py
import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading import load_model, save_model
from tfcompress.loading.load import load
from tfcompress.rewriting.graph import Graph

IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
FORMATS = ["model.keras", "model.h5", "model"]


def save(model, folder, name):
    ending = name.rpartition(".")[2]
    if isinstance(model, keras.Model):
        formats = {"keras": "keras", "h5": "h5", "model": "tf"}
        model.save(folder / name, save_format=formats[ending])
    else:
        model.save(folder / name)
    return folder / name


def nested(library):
    """Layers of one shape everywhere, so that no two can be mixed up unseen."""
    library.utils.set_random_seed(3)
    layers = library.layers

    def block(frozen):
        norm = layers.BatchNormalization()
        made = library.Sequential(
            [layers.Input((8, 8, 3)), layers.Conv2D(3, 1), norm, layers.Conv2D(3, 1)]
        )
        values = np.random.default_rng(frozen).uniform(1.0, 2.0, size=(4, 3))
        norm.set_weights(list(values))
        made.layers[0].trainable = not frozen
        return made

    image = layers.Input((8, 8, 3))
    inner = layers.Input((8, 8, 3))
    deep = library.Model(inner, block(True)(block(False)(inner)))
    x = layers.Conv2D(3, 1)(image)
    x = layers.Add()([deep(x), layers.Conv2D(3, 1, name="late")(x)])
    return library.Model(image, layers.PReLU(alpha_initializer="ones")(x))


@pytest.mark.parametrize(
    ("library", "name"),
    [(keras, name) for name in FORMATS] + [(keras_3, name) for name in FORMATS[:2]],
)
def test_every_weight_finds_its_layer(tmp_path, library, name):
    model = nested(library)
    expected = np.asarray(model(IMAGES, training=False))
    path = save(model, tmp_path, name)
    loaded = load_model(path, check_outputs=False)
    np.testing.assert_allclose(loaded(IMAGES), expected, atol=1e-5)
    # And the check at load, that gets its weights another way, says so too.
    load_model(path)


class Inner(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = [keras.layers.Dense(3), keras.layers.Dense(3)]
        self.last = keras.layers.Dense(3)

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return self.last(inputs)


def attending(library, **settings):
    """Attention in every way that it is called, with weights that matter."""
    layers, kind = library.layers, library.layers.MultiHeadAttention
    query, context = layers.Input((5, 6)), layers.Input((7, 3))
    x = kind(2, 4, value_dim=3, name="cross", **settings)(query, context)
    x = kind(2, 4, dropout=0.1, name="own", **settings)(x, x, key=x)
    last = kind(3, 4, output_shape=5, name="last", **settings)
    x = last(query=x, value=context, key=context)
    model = library.Model([query, context], x)
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(
    ("library", "name"),
    [(keras, name) for name in FORMATS] + [(keras_3, name) for name in FORMATS[:2]],
)
def test_attention_gets_its_weights(tmp_path, library, name, use_bias):
    model = attending(library, use_bias=use_bias)
    random = np.random.default_rng(1)
    given = [random.normal(size=(2, *s)).astype("float32") for s in ((5, 6), (7, 3))]
    loaded = load_model(save(model, tmp_path, name), check_outputs=False)
    expected = np.asarray(model(given, training=False))
    np.testing.assert_allclose(loaded(given), expected, atol=1e-5)
    assert {"cross", "cross_query", "own_value"} <= {x.name for x in loaded.layers}
    # Live, too; here the outputs are compared by load_model itself.
    assert len(load_model(model).layers) == len(loaded.layers)


@pytest.mark.parametrize("name", FORMATS[:2])
@pytest.mark.parametrize("registered", [False, True])
def test_layers_of_a_user_with_layers_inside(tmp_path, name, registered):
    known = {"Inner": Inner}
    if registered:
        keras.saving.register_keras_serializable(package="mine")(Inner)
        known = None
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.Sequential([Inner(name="own")])(image))
    path = save(model, tmp_path, name)
    loaded = load_model(path, known)
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))
    assert isinstance(loaded.get_layer("own"), Inner)
    if registered:
        keras.saving.get_custom_objects().pop("mine>Inner")


def test_weights_of_a_layer_of_a_user_are_checked_too(tmp_path):
    image = keras.Input((8, 8, 3))
    own = Inner(name="own")
    model = keras.Model(image, own(image))
    own.last.bias.assign([np.inf, 0.0, 0.0])
    save_model(model, tmp_path / "model.keras")
    with pytest.raises(ModelError, match="weights of own hold NaN or infinity"):
        load_model(tmp_path / "model.keras", {"Inner": Inner})


def test_a_legacy_file_that_lacks_a_layer_is_told(tmp_path, plain_model):
    path = save(plain_model, tmp_path, "model.h5")
    with h5py.File(path, "a") as hdf5:
        names = [n for n in hdf5["model_weights"].attrs["layer_names"] if n != b"conv"]
        hdf5["model_weights"].attrs["layer_names"] = [
            n for n in names if (n if isinstance(n, str) else n.decode()) != "conv"
        ]
    with pytest.raises(ModelError, match="it holds no weights of layer conv"):
        load_model(path)


def test_a_legacy_file_with_a_layer_too_many_is_told(tmp_path, plain_model):
    path = save(plain_model, tmp_path, "model.h5")
    with h5py.File(path, "a") as hdf5:
        config = json.loads(hdf5.attrs["model_config"])
        del config["config"]["layers"][-1]
        config["config"]["output_layers"] = [["flat", 0, 0]]
        hdf5.attrs["model_config"] = json.dumps(config)
    with pytest.raises(ModelError, match="weights of logits, which the model has not"):
        load_model(path)


def test_what_a_normalization_learned_becomes_a_setting(tmp_path):
    norm = keras.layers.Normalization(name="norm")
    norm.adapt(IMAGES)
    image = keras.Input((8, 8, 3))
    path = save(keras.Model(image, norm(image)), tmp_path, "model.keras")
    layer = load(path).model.get_layer("norm")
    mean = IMAGES.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(np.ravel(layer.get_config()["mean"]), mean, rtol=1e-5)
    assert Graph.from_model(load(path).model).to_model().weights == []
