import pytest
import tf_keras as keras

from tfcompress.quantization.apply import fake_quantize
from tfcompress.training.layer_settings import layer_settings


@pytest.mark.parametrize("nested", [False, True])
def test_a_setting_is_told_from_a_layer_that_is_called_so(nested):
    def layers_of(activation, name=None, before=None):
        x = keras.Input((3,), name=before)
        y = keras.layers.Dense(3, name=before and f"{before}_dense")(x)
        y = keras.layers.Activation(activation, name=name)(y)
        model = keras.Model(x, keras.layers.Add()([x, y]))
        if nested:
            model = keras.Sequential([keras.Input((3,)), model])
        return layer_settings(model)

    relu = layers_of("relu")
    # Names that Keras makes up, and given ones, that of the setting among them.
    assert layers_of("relu") == layers_of("relu", "relu", "given") == relu
    assert layers_of("tanh", "tanh") != relu
    assert layers_of("tanh", "tanh", "relu") != layers_of("relu", "relu", "tanh")


def test_ranges_of_a_fake_quantized_model_are_called_after_layers():
    def quantized(activation):
        x = keras.Input((4, 4, 2))
        y = keras.layers.Activation(activation)(keras.layers.Conv2D(3, 1)(x))
        return layer_settings(fake_quantize(keras.Model(x, y)))

    # Keras numbers the layers of the second model on.
    assert quantized("relu") == quantized("relu") != quantized("sigmoid")
