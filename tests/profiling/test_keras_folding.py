import numpy as np
import pytest
import tf_keras
from both_generations import both_keras

from tfcompress.profiling.keras_model import profile_keras_model


def folded(keras, *layers, shape=(8, 8, 4)):
    model = keras.Sequential([keras.Input(shape), *layers])
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    return profile_keras_model(model).totals.folded_params


@both_keras
def test_batch_norm_goes_into_the_kernel_before_it(keras):
    layers = keras.layers
    conv = layers.Conv2D(6, 3, use_bias=False)
    assert folded(keras, conv, layers.BatchNormalization()) == 9 * 4 * 6 + 6
    dense = layers.Dense(6, use_bias=False)
    assert folded(keras, dense, layers.BatchNormalization(), shape=(4,)) == 24 + 6


@both_keras
def test_batch_norm_behind_an_activation_is_a_factor_and_a_summand(keras):
    layers = keras.layers
    conv = layers.Conv2D(6, 3, activation="relu")
    assert folded(keras, conv, layers.BatchNormalization()) == 216 + 6 + 2 * 6


@both_keras
def test_batch_norm_behind_a_branch_stays(keras):
    image = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(6, 3)(image)
    y = keras.layers.BatchNormalization()(x)
    model = keras.Model(image, keras.layers.Add()([x, y]))
    assert profile_keras_model(model).totals.folded_params == 216 + 6 + 2 * 6


@both_keras
@pytest.mark.parametrize(
    ("layer", "options", "params"),
    [
        ("Conv2D", {"filters": 6, "kernel_size": 1, "use_bias": False}, 24 + 6),
        ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}, 72 + 8),
        ("SeparableConv2D", {"filters": 6, "kernel_size": 3}, 36 + 4 + 24 + 6),
        ("Conv2DTranspose", {"filters": 6, "kernel_size": 2}, 96 + 6),
        ("Dense", {"units": 5, "use_bias": False}, 20),
        ("Dense", {"units": 5}, 25),
    ],
)
def test_convolutions_have_biases_always(keras, layer, options, params):
    assert folded(keras, getattr(keras.layers, layer)(**options)) == params


@both_keras
def test_biases_of_zeros_are_dropped_from_a_dense_layer(keras):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
    assert profile_keras_model(model).totals.folded_params == 20


def test_of_a_nested_model_it_cannot_be_told():
    inner = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(4)])
    model = tf_keras.Sequential([tf_keras.Input((4,)), inner])
    assert profile_keras_model(model).totals.folded_params is None
