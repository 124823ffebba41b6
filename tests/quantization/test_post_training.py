import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import ModelError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import Calibration, calibrate
from tfcompress.quantization.post_training import quantize_calibrated

IMAGES = np.random.default_rng(0).random((32, 8, 8, 1)).astype("float32")


def weights_by_name(model):
    return {weight.name: weight.numpy() for weight in model.weights}


def changed(one, two):
    """Names of the weights, without the layer's, in which two models differ."""
    one, two = weights_by_name(one), weights_by_name(two)
    assert one.keys() == two.keys()
    return {
        name.split("/")[-1].removesuffix(":0")
        for name in one
        if not np.array_equal(one[name], two[name])
    }


def test_ranges_are_calibrated_and_biases_rounded():
    model = tiny.model()
    model.get_layer("logits").bias.assign([0.1, -0.2, 0.3])
    plain = fake_quantize(model)
    calibrate(plain, IMAGES, Calibration(method="min_max"))
    made = quantize_calibrated(model, IMAGES, Calibration(method="min_max"))
    # Biases and betas; ranges are the same.
    assert changed(plain, made) <= {"bias", "beta"}
    assert changed(plain, made)


def test_options_of_the_calibration_are_followed():
    plain = quantize_calibrated(tiny.model(), IMAGES, Calibration())
    corrected = quantize_calibrated(
        tiny.model(), IMAGES, Calibration(correct_biases=True)
    )
    assert changed(plain, corrected) <= {"bias", "beta"}
    assert changed(plain, corrected)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(x))
    plain = quantize_calibrated(model, IMAGES, Calibration())
    equalized = quantize_calibrated(model, IMAGES, Calibration(equalize=True))
    assert "kernel" in changed(plain, equalized)
    # Half a step of 1/127 of the kernels' ranges, twice.
    expected = model(IMAGES).numpy()
    error = np.abs(equalized(IMAGES, training=False).numpy() - expected).max()
    assert error < 0.05 * np.abs(expected).max()


def test_options_of_fake_quantization_are_passed_on():
    image = keras.Input((8, 8, 1))
    x = keras.layers.LayerNormalization(name="odd")(keras.layers.Conv2D(4, 3)(image))
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(x))
    with pytest.raises(ModelError, match="'odd'"):
        quantize_calibrated(model, IMAGES, Calibration())
    quantize_calibrated(model, IMAGES, Calibration(), keep_float=("odd",))
