import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from tf_keras.src.applications import convnext

from tfcompress.errors import ModelError
from tfcompress.export.tflite import export_tflite
from tfcompress.loading.load import load, load_model
from tfcompress.rewriting.change import Change

IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")


def outputs_of(model, given=IMAGES):
    return [
        np.asarray(output)
        for output in keras_3.tree.flatten(model(given, training=False))
    ]


def assert_equal_outputs(got, expected, given=IMAGES):
    pairs = zip(outputs_of(got, given), outputs_of(expected, given), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


class Scale(keras.layers.Layer):
    """A layer of a user, with a layer inside that is built when it is called."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        return self.factor * self.dense(inputs)

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


@pytest.mark.parametrize("library", [keras, keras_3])
def test_models_with_several_inputs_and_outputs_in_models(library):
    layers = library.layers
    a, b = layers.Input((8, 8, 3), name="a"), layers.Input((8, 8, 3), name="b")
    left = layers.Conv2D(2, 3, name="conv")(a)
    right = layers.Conv2D(2, 3, name="other")(b)
    pair = library.Model([a, b], [layers.Add(name="sum")([left, right]), right])
    stem = library.Sequential([layers.Conv2D(3, 3, padding="same", name="conv")])
    image = layers.Input((8, 8, 3), name="image")
    first, second = pair([stem(image), image])
    third, _ = pair([image, stem(image)])
    model = library.Model(image, [first, layers.ReLU()(second), third])
    loaded, changes, _ = load(model)
    assert_equal_outputs(loaded, model)
    # Of two named conv, none is less nested than the other: the first keeps it.
    kernels = [layer for layer in loaded.layers if layer.weights]
    assert len(kernels) == 3
    assert sum(layer.name == "conv" for layer in kernels) == 1
    assert Change(pair.name, "flattened into the model around it") in changes


def test_a_layer_in_two_models_of_a_live_model_is_taken_twice():
    shared = keras.layers.Conv2D(3, 1, name="shared")
    image = keras.Input((8, 8, 3))
    x = image
    for _ in range(2):
        inner = keras.Input((8, 8, 3))
        x = keras.Model(inner, shared(inner))(x)
    model = keras.Model(image, x)
    assert_equal_outputs(load_model(model), model)


@pytest.mark.parametrize("library", [keras, keras_3])
def test_a_model_whose_name_tensorflow_refuses_can_be_exported(tmp_path, library):
    image = library.Input((8, 8, 3))
    model = library.Model(image, library.layers.Conv2D(2, 3)(image), name="<my model>")
    loaded = load_model(model)
    assert loaded.name == "layer_my_model_"
    file = export_tflite(loaded, tmp_path / "model.tflite", quantization="float32")
    assert file.audit.ops == {"CONV_2D": 1}
    assert_equal_outputs(load_model(keras.Sequential([loaded])), model)


def test_names_that_tensorflow_refuses_are_replaced_and_told():
    image = keras_3.Input((8, 8, 3), name="my image")
    x = keras_3.layers.Conv2D(2, 1, name="conv [1]")(image)
    model = keras_3.Model(image, keras_3.layers.ReLU(name="_relu")(x), name="my [model")
    loaded, changes, _ = load(model)
    assert [layer.name for layer in loaded.layers] == [
        "my_image",
        "conv__1_",
        "layer_relu",
    ]
    assert Change("conv [1]", "renamed to conv__1_") in changes
    assert_equal_outputs(loaded, model)


def test_activations_that_tf_keras_lacks_become_layers():
    image = keras_3.Input((8, 8, 3))
    x = keras_3.layers.Conv2D(2, 1, activation="hard_silu", name="conv")(image)
    x = keras_3.layers.Activation("hard_sigmoid", name="gate")(x)
    model = keras_3.Model(image, keras_3.layers.Dense(2, activation="leaky_relu")(x))
    loaded = load_model(model)
    kinds = [(type(layer).__name__, layer.name) for layer in loaded.layers[1:4]]
    assert kinds == [
        ("Conv2D", "conv"),
        ("HardSwish", "conv_activation"),
        ("HardSigmoid", "gate"),
    ]
    assert_equal_outputs(loaded, model)


def test_hard_sigmoid_of_tf_keras_stays_what_it_is():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Dense(2, activation="hard_sigmoid")(image)
    model = keras.Model(image, x * 2.0)
    assert_equal_outputs(load_model(model), model)


@pytest.mark.parametrize("library", [keras, keras_3])
def test_an_adapted_normalization_keeps_what_it_learned(library):
    norm = library.layers.Normalization()
    norm.adapt(IMAGES * 3.0 + 1.0)
    image = library.Input((8, 8, 3))
    model = library.Model(image, norm(image))
    loaded = load_model(model)
    assert not loaded.weights
    assert_equal_outputs(loaded, model)
    assert load_model(loaded) is loaded


@pytest.mark.parametrize("library", [keras, keras_3])
def test_a_model_of_16_bits_becomes_one_of_32(library):
    image = library.Input((8, 8, 3))
    conv = library.layers.Conv2D(2, 3, dtype="mixed_float16", name="conv")
    loaded, changes, _ = load(library.Model(image, library.Sequential([conv])(image)))
    assert loaded.output.dtype == "float32"
    assert Change("conv", "made float32, from mixed_float16") in changes


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_no_layer_of_a_flat_model_keeps_another_precision(library, policy):
    image = library.Input((8, 8, 3), dtype="float16")
    conv = library.layers.Conv2D(2, 3, dtype=policy, name="conv")
    loaded, changes, _ = load(library.Model(image, conv(image)))
    assert {tensor.dtype for tensor in loaded.inputs} == {tf.float32}
    assert {weight.dtype for weight in loaded.weights} == {tf.float32}
    assert Change("conv", f"made float32, from {policy}") in changes


def test_stochastic_depth_which_fails_in_training_is_replaced():
    image = keras.Input((8, 8, 3))
    x = convnext.StochasticDepth(0.5, name="depth")(image)
    loaded = load_model(keras.Model(image, keras.layers.Conv2D(2, 3)(x)))
    assert isinstance(loaded.get_layer("depth"), keras.layers.Dropout)


@pytest.mark.parametrize("library", [keras, keras_3])
def test_channels_first_is_refused(library):
    image = library.Input((3, 8, 8))
    conv = library.layers.Conv2D(2, 3, data_format="channels_first", name="conv")
    with pytest.raises(ModelError, match="layer conv has its channels first"):
        load_model(library.Model(image, conv(image)))


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize("live", [True, False])
def test_what_goes_by_names_comes_in_their_order(tmp_path, library, live):
    z, a = library.Input((8, 8, 3), name="z"), library.Input((5,), name="a")
    pooled = library.layers.GlobalMaxPooling2D()(z)
    both = library.layers.Concatenate()([pooled, a])
    ends = {"y": library.layers.Dense(2)(both), "b": library.layers.Dense(3)(pooled)}
    model = library.Model({"z": z, "a": a}, ends)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = load_model(model if live else path)
    assert [tensor.shape[1:] for tensor in loaded.inputs] == [(5,), (8, 8, 3)]
    values = np.random.default_rng(1).normal(size=(len(IMAGES), 5)).astype("float32")
    expected = model({"z": IMAGES, "a": values})
    first, second = loaded([values, IMAGES])
    np.testing.assert_allclose(first, expected["b"], atol=1e-5)
    np.testing.assert_allclose(second, expected["y"], atol=1e-5)


@pytest.mark.parametrize("library", [keras, keras_3])
def test_a_fixed_size_of_batch_is_opened(library):
    image = library.Input((8, 8, 3), batch_size=3)
    model = library.Model(image, library.layers.Conv2D(2, 3)(image))
    loaded = load_model(model)
    assert loaded.input_shape == (None, 8, 8, 3)
    given = np.concatenate([IMAGES, IMAGES[:1]])
    assert_equal_outputs(loaded, model, given)


def test_layers_of_a_user_are_taken_from_a_live_model():
    image = keras.Input((3,))
    nested = keras.Sequential([Scale(3.0, name="scale")])
    model = keras.Model(image, nested(image))
    loaded = load_model(model)
    assert isinstance(loaded.get_layer("scale"), Scale)
    assert_equal_outputs(loaded, model, IMAGES[:, 0, 0])


def test_a_qat_model_passes():
    quantization = tfmot.quantization.keras
    dense = quantization.quantize_annotate_layer(keras.layers.Dense(2))
    model = keras.Sequential([keras.Input((3,)), dense])
    model = quantization.quantize_apply(model)
    assert load_model(model) is model


def test_augmentation_and_dropout_stay():
    layers = keras_3.layers
    image = keras_3.Input((8, 8, 3))
    x = layers.RandomFlip("horizontal")(image)
    x = layers.RandomRotation(0.1)(x)
    x = layers.RandomContrast(0.1)(x)
    x = layers.RandomZoom(0.1)(x)
    x = layers.Resizing(4, 4)(layers.Dropout(0.5)(x))
    model = keras_3.Model(image, layers.SpatialDropout2D(0.5)(x))
    loaded = load_model(model)
    kinds = [type(layer).__name__ for layer in loaded.layers]
    assert kinds == [type(layer).__name__ for layer in model.layers]
    assert_equal_outputs(loaded, model)


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def wrapped_for_pruning():
    image = keras.Input((3,))
    model = keras.Model(image, keras.layers.Dense(3)(image))
    return tfmot.sparsity.keras.prune_low_magnitude(model)


def of_layer(layer):
    image = keras.Input((4, 8))
    return keras.Model(image, layer(image))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: 3, "an int was given; expected a Keras model, or the path"),
        (Subclassed, "a Subclassed, a subclassed model, .*model.call"),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), "is not built; give it an"),
        (lambda: keras_3.Sequential([keras_3.layers.Dense(3)]), "is not built; give"),
        (wrapped_for_pruning, "take the wrapper off: tfmot.sparsity.keras.strip"),
        (lambda: of_layer(keras.layers.LSTM(3, name="memory")), "memory uses LSTM"),
        (
            lambda: of_layer(keras.layers.TimeDistributed(keras.layers.Dense(3))),
            "uses TimeDistributed",
        ),
        (lambda: of_layer(keras.layers.Lambda(lambda x: x)), "uses Lambda"),
    ],
)
def test_what_cannot_be_made_plain_is_told_with_the_mend(make, told):
    with pytest.raises(ModelError, match=told) as error:
        load_model(make())
    assert "\n" not in str(error.value)


def test_a_layer_that_cannot_tell_its_settings_is_told():
    class Mute(keras.layers.Layer):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)

        def call(self, inputs):
            return inputs

    image = keras.Input((3,))
    model = keras.Model(image, keras.Sequential([Mute(object())])(image))
    with pytest.raises(ModelError, match="needs a get_config"):
        load_model(model)
