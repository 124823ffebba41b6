import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import Calibration, calibrate

layers = keras.layers
MIN_MAX = Calibration(method="min_max")


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
    calibrate(model, images, Calibration(method="min_max", batch_size=1))
    assert bounds(model, "quantize_input") == (0.0, 3.0)
    assert bounds(model, "quant_conv") == (-12.0, 0.0)


def test_tensors_of_one_group_get_one_range():
    image = keras.Input((2, 2, 1), name="image")
    x = layers.Concatenate(name="concat")(
        [scaled(2.0, "a")(image), scaled(-4.0, "b")(image)]
    )
    model = fake_quantize(keras.Model(image, scaled(1.0, "last")(x)))
    calibrate(model, np.ones((1, 2, 2, 1), np.float32), MIN_MAX)
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
    calibrate(model, [ones, -3 * ones], MIN_MAX)
    assert bounds(model, "quantize_input") == (0.0, 1.0)
    assert bounds(model, "quantize_input_2") == (-3.0, 0.0)
    assert bounds(model, "quant_add") == (-2.0, 0.0)


def ranges(calibration, pixels):
    """Ranges of the input, and of what a product with -4 makes of it."""
    image = keras.Input((2, 2, 1), name="image")
    model = fake_quantize(keras.Model(image, scaled(-4.0, "conv")(image)))
    calibrate(model, pixels.reshape(-1, 2, 2, 1).astype("float32"), calibration)
    return bounds(model, "quantize_input"), bounds(model, "quant_conv")


def test_moving_averages_weigh_the_batches():
    pixels = np.repeat([1.0, 2.0, 5.0], 4)
    how = Calibration(method="moving_average", momentum=0.75, batch_size=1)
    (low, high), (conv_low, _) = ranges(how, pixels)
    # 1, then 3/4 * 1 + 1/4 * 2 = 1.25, then 3/4 * 1.25 + 1/4 * 5 = 2.1875.
    assert (low, high) == (0.0, 2.1875)
    assert conv_low == -4 * 2.1875


def test_percentiles_leave_rare_values_out():
    pixels = np.concatenate([np.linspace(0, 1, 1996), np.full(4, 10.0)])
    (_, high), (conv_low, _) = ranges(
        Calibration(method="percentile", percentile=99.5), pixels
    )
    # The 0.5 % that are left out are the 4 outliers and 6 of the others; bins are
    # 10 / 4096 wide.
    assert high == pytest.approx(1.0, abs=0.01)
    assert conv_low == pytest.approx(-4.0, abs=0.04)
    (_, high), _ = ranges(Calibration(method="percentile", percentile=100), pixels)
    assert high == pytest.approx(10.0)


def test_least_squared_error_cuts_off_a_lonely_value():
    pixels = np.append(np.random.default_rng(0).uniform(0, 1, 99_999), 3.0)
    (_, high), (conv_low, _) = ranges(Calibration(method="mse"), pixels)
    # To hold the 3 costs (3^2 - high^2) / 255^2 / 12 in each of the others; to cut it
    # off at h costs (3 - h)^2 once. Between the two ends the sum is least near 2.
    costs = [
        99_999 * (h / 255) ** 2 / 12 + (3 - h) ** 2 for h in 3 * np.linspace(1, 0.2, 41)
    ]
    best = 3 * np.linspace(1, 0.2, 41)[int(np.argmin(costs))]
    assert high == pytest.approx(best, abs=0.13)
    assert conv_low == pytest.approx(-4 * best, abs=0.52)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "kl"),
        ("num_images", 0),
        ("batch_size", 1.5),
        ("percentile", 50),
        ("percentile", 101),
        ("momentum", 1.0),
    ],
)
def test_wrong_settings_are_refused_at_once(name, value):
    with pytest.raises(InvalidArgumentError, match=f"Calibration {name}={value!r}"):
        Calibration(**{name: value})
