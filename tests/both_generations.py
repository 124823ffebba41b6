"""Tests that ask the same of tf_keras and of Keras 3."""

import keras as keras_3
import pytest
import tf_keras

from tfcompress.profiling.keras_model import profile_keras_model

both_keras = pytest.mark.parametrize("keras", [tf_keras, keras_3])


def layer_counts(keras, layer, *shapes):
    """Returns MACs and FLOPs of a layer that is called with inputs of these shapes."""
    inputs = [keras.Input(shape) for shape in shapes]
    found = profile_keras_model(keras.Model(inputs, layer(*inputs)))
    return found.layers[-1].macs, found.layers[-1].flops
