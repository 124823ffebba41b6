import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tfcompress.loading.load import load
from tfcompress.loading.model_file import read_model_file
from tfcompress.loading.original import original_of

IMAGES = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")


def cube(x):
    return x * x * x


def parts(library):
    """A layer with weights, one with layers inside, one of two inputs; a function."""

    class Scale(library.layers.Layer):
        def __init__(self, factor=1.0, **settings):
            super().__init__(**settings)
            self.factor = factor

        def build(self, input_shape):
            self.gain = self.add_weight(name="gain", shape=(int(input_shape[-1]),))
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.factor * self.gain

        def get_config(self):
            return super().get_config() | {"factor": self.factor}

    class Nest(library.layers.Layer):
        def __init__(self, units=2, **settings):
            super().__init__(**settings)
            self.units = units
            self.dense = library.layers.Dense(units, name="inner")
            self.norm = library.layers.BatchNormalization(name="norm")

        def build(self, input_shape):
            self.dense.build(input_shape)
            self.norm.build((*input_shape[:-1], self.units))
            super().build(input_shape)

        def call(self, inputs, training=None):
            return self.norm(self.dense(inputs), training=training)

        def get_config(self):
            return super().get_config() | {"units": self.units}

    class Sum(library.layers.Layer):
        def call(self, inputs):
            return inputs[0] + inputs[1]

    return {"Scale": Scale, "Nest": Nest, "Sum": Sum, "cube": cube}


def written(library, path):
    made = parts(library)
    layers = library.layers
    image = library.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, activation=cube, name="conv")(image)
    y = made["Scale"](3.0, name="scale")(x)
    frozen = made["Scale"](0.5, name="frozen", trainable=False)
    x = made["Sum"](name="sum")([x, made["Nest"](4, name="nest")(frozen(y))])
    head = library.Sequential([layers.Dense(3), made["Scale"](2.0)], name="head")
    model = library.Model(image, head(layers.Flatten()(x)))
    random = np.random.default_rng(1)
    model.set_weights([random.uniform(0.1, 0.9, w.shape) for w in model.get_weights()])
    model.save(path)
    return model


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_model_with_layers_of_the_user_is_compared(tmp_path, library, ending):
    path = tmp_path / f"model.{ending}"
    model = written(library, path)
    known = parts(keras)
    original = original_of(read_model_file(path, 2**30), path, known)
    assert isinstance(original, library.Model)
    np.testing.assert_allclose(original(IMAGES), model(IMAGES), rtol=1e-6)
    loaded = load(path, known)
    assert loaded.unchecked is None
    np.testing.assert_allclose(loaded.model(IMAGES), model(IMAGES), rtol=1e-5)


def written_without_settings(kind, path):
    """A layer whose config, made by Keras, has its argument but no name."""

    class Power(keras_3.layers.Layer):
        def __init__(self, power=1.0, **settings):
            super().__init__(**settings)
            self.power = power

        def build(self, input_shape):
            self.gain = self.add_weight(name="gain", shape=(input_shape[-1],))

        def call(self, inputs):
            return self.gain * inputs**self.power

    layers = [Power(2.0), keras_3.layers.Flatten(), keras_3.layers.Dense(3)]
    model = keras_3.Sequential([keras_3.Input((6, 6, 3)), *layers])
    if kind == "functional":
        x = image = keras_3.Input((6, 6, 3))
        for layer in layers:
            x = layer(x)
        model = keras_3.Model(image, x)
    model.save(path)
    return model


class Power(keras.layers.Layer):
    def __init__(self, power=1.0, **settings):
        super().__init__(**settings)
        self.power = power

    def build(self, input_shape):
        self.gain = self.add_weight(name="gain", shape=(int(input_shape[-1]),))

    def call(self, inputs):
        return self.gain * inputs**self.power


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("sequential", "keras"), ("functional", "keras"), ("functional", "h5")],
)
def test_a_layer_without_settings_of_its_own_is_compared(tmp_path, kind, ending):
    path = tmp_path / f"model.{ending}"
    model = written_without_settings(kind, path)
    for source in (path, model):
        loaded = load(source, {"Power": Power})
        assert loaded.unchecked is None
        np.testing.assert_allclose(loaded.model(IMAGES), model(IMAGES), rtol=1e-5)


def test_registered_classes_and_functions_are_known(tmp_path):
    path = tmp_path / "model.keras"
    given = parts(keras)
    names = [f"test_hosting>{name}" for name in given]
    for name, part in given.items():
        keras.saving.register_keras_serializable("test_hosting", name)(part)
    try:
        image = keras.Input((6, 6, 3))
        x = keras.layers.Dense(2, activation=cube)(given["Scale"](2.0)(image))
        keras.Model(image, x).save(path)
        assert load(path).unchecked is None
    finally:
        for name in names:
            keras.saving.get_custom_objects().pop(name)
