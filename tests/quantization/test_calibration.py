import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import ModelError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate

layers = keras.layers


def bounds(model, name):
    layer = model.get_layer(name)
    found = getattr(layer, "quantizer_vars", None) or layer._output_quantizer_vars
    return float(found["min"]), float(found["max"])


def scaled(scale, name):
    """A convolution that multiplies by a power of two, which rounding leaves alone."""
    return layers.Conv2D(
        1, 1, kernel_initializer=keras.initializers.Constant(scale), name=name
    )


def test_ranges_hold_all_values_and_zero():
    image = keras.Input((2, 2, 1), name="image")
    model = fake_quantize(keras.Model(image, scaled(-4.0, "conv")(image)))
    images = np.array([0.5, 1.0, 2.0, 3.0], np.float32).reshape(2, 2, 1, 1)
    images = np.broadcast_to(images, (2, 2, 2, 1))
    calibrate(model, images, batch_size=1)
    assert bounds(model, "quantize_input") == (0.0, 3.0)
    assert bounds(model, "quant_conv") == (-12.0, 0.0)


def test_tensors_of_one_group_get_one_range():
    image = keras.Input((2, 2, 1), name="image")
    x = layers.Concatenate(name="concat")(
        [scaled(2.0, "a")(image), scaled(-4.0, "b")(image)]
    )
    model = fake_quantize(keras.Model(image, scaled(1.0, "last")(x)))
    calibrate(model, np.ones((1, 2, 2, 1), np.float32))
    assert bounds(model, "quant_a") == bounds(model, "quant_b") == (-4.0, 2.0)


def test_a_layer_of_zeros_gets_a_scale():
    image = keras.Input((2, 2, 1), name="image")
    model = fake_quantize(keras.Model(image, scaled(0.0, "conv")(image)))
    calibrate(model, np.ones((1, 2, 2, 1), np.float32))
    low, high = bounds(model, "quant_conv")
    assert low == 0.0 and high > 0.0
    assert np.array_equal(model(np.ones((1, 2, 2, 1))), np.zeros((1, 2, 2, 1)))


def test_batch_statistics_are_not_touched():
    model = fake_quantize(tiny.model())
    before = [w.numpy() for w in model.weights if "moving" in w.name]
    calibrate(model, np.random.default_rng(0).normal(size=(4, 8, 8, 1)))
    after = [w.numpy() for w in model.weights if "moving" in w.name]
    assert before and all(
        np.array_equal(a, b) for a, b in zip(before, after, strict=True)
    )


def test_nan_is_refused():
    model = fake_quantize(tiny.model())
    with pytest.raises(ModelError, match="NaN or infinity in"):
        calibrate(model, np.full((1, 8, 8, 1), np.nan, np.float32))


def test_a_model_of_two_inputs_takes_a_list():
    a, b = keras.Input((2, 2, 1), name="a"), keras.Input((2, 2, 1), name="b")
    total = layers.Add(name="add")([a, b])
    model = fake_quantize(keras.Model([a, b], total))
    ones = np.ones((1, 2, 2, 1), np.float32)
    calibrate(model, [ones, -3 * ones])
    assert bounds(model, "quantize_input") == (0.0, 1.0)
    assert bounds(model, "quantize_input_2") == (-3.0, 0.0)
    assert bounds(model, "quant_add") == (-2.0, 0.0)
