from dataclasses import replace

import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tfcompress.data import check_model_fits, from_arrays
from tfcompress.errors import InvalidArgumentError, ModelError

PAIR = (np.zeros((12, 6, 8, 3), np.uint8), np.arange(12) % 4)
DATA = from_arrays(PAIR, PAIR, PAIR)


def model(shape, num_classes=4):
    inputs = keras.Input(shape)
    features = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Dense(num_classes)(features), name="net")


@pytest.mark.parametrize("shape", [(6, 8, 3), (None, None, 3)])
def test_fitting_model_passes(shape):
    check_model_fits(model(shape), DATA)


@pytest.mark.parametrize("shape", [(6, 8, 1), (8, 6, 3), (None, None, 1)])
def test_other_input_is_refused_with_both_shapes(shape):
    with pytest.raises(ModelError) as error:
        check_model_fits(model(shape), DATA)
    assert f"takes inputs of shape {shape}" in str(error.value)
    assert "(6, 8, 3)" in str(error.value)


def test_other_number_of_classes_is_refused():
    with pytest.raises(ModelError, match=r"\(5,\).*4 classes"):
        check_model_fits(model((6, 8, 3), 5), DATA)


def test_flat_input_and_several_inputs_or_outputs_are_refused():
    flat = keras.Input((12,))
    with pytest.raises(ModelError, match=r"inputs of shape \(12,\)"):
        check_model_fits(keras.Model(flat, keras.layers.Dense(4)(flat)), DATA)
    one, two = keras.Input((6, 8, 3)), keras.Input((6, 8, 3))
    both = keras.layers.Add()([one, two])
    with pytest.raises(ModelError, match=r"inputs of shapes .* expected one"):
        check_model_fits(keras.Model([one, two], both), DATA)
    with pytest.raises(ModelError, match=r"outputs of shapes .* expected one"):
        check_model_fits(keras.Model(one, [one, one]), DATA)


@pytest.mark.parametrize("data", [None, "fashion_mnist", PAIR])
def test_what_is_no_data_set_is_refused(data):
    with pytest.raises(InvalidArgumentError, match=r"tfc\.data\.load"):
        check_model_fits(model((6, 8, 3)), data)


@pytest.mark.parametrize("library", [keras, keras_3])
def test_model_of_whole_numbers_takes_pixels_up_to_255_alone(library):
    inputs = library.Input((6, 8, 3), dtype="uint8")
    features = library.layers.GlobalAveragePooling2D()(
        library.layers.Rescaling(1 / 255)(inputs)
    )
    net = library.Model(inputs, library.layers.Dense(4)(features), name="bytes")
    with pytest.raises(ModelError, match=r"'bytes' takes uint8.*in \[0, 1\].*\(0, 255"):
        check_model_fits(net, DATA)
    check_model_fits(net, replace(DATA, value_range=(0.0, 255.0)))
    numbers = np.arange(12.0)[:, None, None, None] * np.ones((6, 8, 3)), PAIR[1]
    check_model_fits(net, from_arrays(numbers, numbers, numbers))
