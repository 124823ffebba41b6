import sys

import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading import load_model
from tfcompress.loading.load import load


class Doubling(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


class WithoutArguments(keras.layers.Layer):
    def __init__(self):
        super().__init__()


class Failing(keras.layers.Layer):
    def call(self, inputs):
        raise ValueError(f"no {inputs.shape[-1]} channels\n")


class Unbuildable(keras.layers.Layer):
    def build(self, input_shape):
        raise KeyError("units")


class WithMoreWeights(keras.layers.Layer):
    def build(self, input_shape):
        self.add_weight(name="gain", shape=(3,))


class OfKeras3(keras_3.layers.Layer):
    pass


def cube(x):
    return x * x * x


def failing(x):
    raise ValueError("no cube")


@pytest.fixture
def path(tmp_path):
    image = keras.Input((4,))
    x = keras.layers.Dense(3, activation=cube, name="dense")(image)
    keras.Model(image, Doubling(name="twice")(x)).save(tmp_path / "own.keras")
    return tmp_path / "own.keras"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([Doubling], r"custom_objects is \[<class .*a mapping from names"),
        (Doubling, r"custom_objects is <class .*a mapping from names"),
        ({3: Doubling}, "for 3; expected a layer class or a function for the name"),
        ({"Doubling": 3}, "has 3 for 'Doubling'; expected a layer class"),
        ({"Doubling": None}, "has None for 'Doubling'; expected a layer class"),
        ({"Doubling": "Doubling"}, "has 'Doubling' for 'Doubling'; expected"),
        ({"Doubling": Doubling()}, "for 'Doubling'; .*: give Doubling itself"),
        ({"Doubling": cube}, "layer twice names the class Doubling, .*give the class"),
        ({"Doubling": dict}, "layer twice cannot be made of the class dict"),
        (
            {"Doubling": WithoutArguments},
            "layer twice cannot be made of the class WithoutArguments: .*unexpected "
            "keyword argument .*has to take name, trainable, dtype",
        ),
        ({"Doubling": OfKeras3}, "twice is a OfKeras3, not a layer of tf_keras"),
        ({"Doubling": Failing}, r"layer twice cannot .*type Failing\).*no 3 channels"),
        ({"Doubling": Unbuildable}, "layer twice cannot be called .*'units'"),
        ({"Doubling": WithMoreWeights}, "weights of layer twice .*give the class that"),
        ({"cube": Doubling}, "layer dense names the function cube, .*class Doubling"),
        ({"cube": failing}, '"dense" .*no cube'),
    ],
)
def test_a_wrong_one_is_told_in_one_line(path, given, message):
    if isinstance(given, dict):
        given = {"Doubling": Doubling, "cube": cube} | given
    with pytest.raises(ModelError, match=message) as caught:
        load_model(path, given)
    assert "\n" not in str(caught.value)
    assert "object has no attribute 'from_config'" not in str(caught.value)


def test_a_function_is_found_by_its_bare_name_too(tmp_path):
    keras.saving.register_keras_serializable("test_custom_objects")(cube)
    try:
        image = keras.Input((4,))
        model = keras.Model(image, keras.layers.Dense(3, activation=cube)(image))
        model.save(tmp_path / "own.keras")
    finally:
        keras.saving.get_custom_objects().pop("test_custom_objects>cube")
    loaded = load(tmp_path / "own.keras", {"cube": cube})
    assert loaded.unchecked is None
    ones = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(loaded.model(ones), model(ones))


@pytest.mark.parametrize("registered", ["evil>Doubling", None])
def test_the_module_that_a_file_names_is_never_imported(
    path, edit, layer_of, registered
):
    def change(config):
        layer_of(config, "twice").update(module="this", registered_name=registered)

    edit(path, change)
    assert load(path, {"Doubling": Doubling, "cube": cube}).unchecked is None
    assert "this" not in sys.modules
