import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tfcompress.layers.hard_swish import HardSwish
from tfcompress.loading.listed import listed_class, module_of
from tfcompress.loading.load import load


@pytest.mark.parametrize(
    ("module", "name", "registered", "expected"),
    [
        ("keras.layers", "Conv2D", None, keras.layers.Conv2D),
        ("keras.src.layers.core.dense", "Dense", "Dense", keras.layers.Dense),
        ("tf_keras.src.layers", "Dense", None, keras.layers.Dense),
        (None, "ReLU", None, keras.layers.ReLU),
        ("keras.layers", "Identity", None, keras.layers.Identity),
        ("keras.initializers", "Identity", None, keras.initializers.Identity),
        (
            "tfcompress.layers.hard_swish",
            "HardSwish",
            "tfcompress>HardSwish",
            HardSwish,
        ),
        (None, "HardSwish", "tfcompress>HardSwish", HardSwish),
    ],
)
def test_a_listed_class_is_found(module, name, registered, expected):
    assert listed_class(module, name, registered) is expected


@pytest.mark.parametrize(
    ("module", "name", "registered"),
    [
        ("os", "Dense", None),
        ("keras_evil.layers", "Dense", None),
        ("__main__", "Dense", "Custom>Dense"),
        ("keras.layers", "Dense", "mine>Dense"),
        ("keras.layers", "Lambda", None),
        ("keras.layers", "TextVectorization", None),
        ("keras.utils", "get_file", None),
        ("tensorflow_model_optimization", "Dense", None),
        ("tfcompress.storage", "atomic_path", "tfcompress>atomic_path"),
        (3, "Dense", None),
    ],
)
def test_all_else_is_not(module, name, registered):
    assert listed_class(module, name, registered) is None


def test_where_a_class_is_found():
    assert module_of("HardSwish", "anything") == "tfcompress.layers.hard_swish"
    assert module_of("Dense", "anything") == "keras.layers"
    assert module_of("Identity", "keras.src.initializers") == "keras.initializers"
    assert module_of("Identity", "keras.layers") == "keras.layers"
    assert module_of("get_file", "keras.utils") == ""


def of_one_layer(library, shape, make):
    image = library.Input(shape)
    return library.Model(image, make(library.layers, image))


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize(
    ("shape", "make"),
    [
        ((6, 5), lambda layers, x: layers.Dot(axes=(2, 2))([x, layers.Dense(5)(x)])),
        ((6, 5), lambda layers, x: layers.Attention(use_scale=True)([x, x])),
        ((6, 5), lambda layers, x: layers.AdditiveAttention()([x, x, x])),
        ((6, 6, 6, 2), lambda layers, x: layers.Conv3D(3, 3)(x)),
        ((6, 6, 6, 2), lambda layers, x: layers.Conv3DTranspose(3, 3)(x)),
    ],
    ids=["Dot", "Attention", "AdditiveAttention", "Conv3D", "Conv3DTranspose"],
)
def test_layers_without_an_int8_form_load_all_the_same(library, shape, make):
    model = of_one_layer(library, shape, make)
    values = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    loaded, _, unchecked = load(model)
    assert unchecked is None
    np.testing.assert_allclose(loaded(values), model(values), atol=1e-5)
