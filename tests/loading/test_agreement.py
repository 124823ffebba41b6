import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading import load_model
from tfcompress.loading.agreement import check_agreement


def model(library=keras, **weights):
    """Two convolutions whose kernels are 1, or what is given."""
    image = library.layers.Input((4, 4, 1))
    x = library.layers.Conv2D(1, 1, use_bias=False, name="first")(image)
    x = library.layers.Conv2D(1, 1, use_bias=False, name="second")(x)
    made = library.Model(image, x)
    for name in ("first", "second"):
        kernel = np.full((1, 1, 1, 1), weights.get(name, 1.0))
        made.get_layer(name).set_weights([kernel])
    return made


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize("layer", ["first", "second"])
def test_the_first_layer_that_differs_is_named(library, layer):
    different = model(library, **{layer: 1.0001})
    with pytest.raises(ModelError, match=rf"differ by 0\.0001 .* layer {layer} on"):
        check_agreement(model(), different, ())


@pytest.mark.parametrize("library", [keras, keras_3])
def test_rounding_is_no_difference(library):
    check_agreement(model(), model(library, first=1.000003), ())


def test_a_layer_that_was_rewritten_is_not_blamed():
    with pytest.raises(ModelError, match="from layer second on"):
        check_agreement(model(), model(first=1.01), {"first"})


def test_16_bits_may_differ_more():
    check_agreement(model(), model(first=1.001), (), half=True)


def test_another_number_of_outputs_is_a_difference():
    one = model()
    two = keras.Model(one.inputs, [one.output, one.output])
    with pytest.raises(ModelError, match="differ by inf"):
        check_agreement(one, two, ())


def test_another_shape_is_a_difference():
    one = model()
    flat = keras.Model(one.inputs, keras.layers.Flatten()(one.output))
    with pytest.raises(ModelError, match="differ by inf"):
        check_agreement(one, flat, ())


def test_a_value_that_only_one_has_is_a_difference():
    with pytest.raises(ModelError, match="differ by inf"):
        check_agreement(model(), model(first=np.inf), ())


def test_a_model_that_insists_on_a_size_of_batch_is_asked_so():
    image = keras_3.Input((4, 4, 1), batch_size=3)
    insisting = keras_3.Model(image, model(keras_3)(image))
    check_agreement(model(), insisting, ())


def test_open_sizes_and_integers_are_filled():
    image = keras.Input((None, None, 1), dtype="uint8")
    half = keras.Model(image, keras.layers.Rescaling(0.5)(image))
    check_agreement(half, half, ())


class Doubling(keras_3.layers.Layer):
    def call(self, x):
        return x * 2


class Tripling(keras.layers.Layer):
    def call(self, x):
        return x * 3


def test_a_layer_of_the_users_that_differs_is_named():
    image = keras_3.Input((4, 4, 3))
    x = Doubling(name="mine")(keras_3.layers.Conv2D(2, 1, name="conv")(image))
    source = keras_3.Model(image, keras_3.layers.Flatten()(x))
    with pytest.raises(ModelError, match="from layer mine on"):
        load_model(source, custom_objects={"Doubling": Tripling})
