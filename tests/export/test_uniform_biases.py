"""A bias that is the same in every channel arrives in the file as it is."""

import numpy as np
import pytest
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

import tfcompress as tfc
from tfcompress.export.uniform_biases import no_uniform_biases
from tfcompress.layers.hard_swish import HardSigmoid
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate

layers = keras.layers
BIAS = 3.0


def norm(x):
    return layers.BatchNormalization(
        beta_initializer=keras.initializers.Constant(BIAS)
    )(x)


def conv(x, **options):
    return layers.Conv2D(8, 1, **options)(x)


BODIES = {
    "bias": lambda x: conv(x, bias_initializer=keras.initializers.Constant(BIAS)),
    "beta": lambda x: norm(conv(x, use_bias=False)),
    "hard_sigmoid": lambda x: layers.Multiply()(
        [conv(x), HardSigmoid()(conv(x, use_bias=False))]
    ),
    "two_of_them": lambda x: layers.Add()(
        [BODIES["bias"](x), BODIES["bias"](layers.ReLU()(x))]
    ),
}


def exported_outputs(model, path, images):
    """Returns what the file gives for the images, and the size of a step."""
    tfc.export_tflite(model, path)
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    (made,) = interpreter.get_output_details()
    scale, zero = given["quantization"]
    outputs = []
    for image in np.clip(np.round(images / scale) + zero, -128, 127).astype("int8"):
        interpreter.set_tensor(given["index"], image[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(made["index"])[0])
    scale, zero = made["quantization"]
    return (np.array(outputs, np.float32) - zero) * scale, scale


@pytest.mark.parametrize("body", BODIES)
def test_the_file_has_the_bias_of_the_model(body, tmp_path):
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 4)).astype("float32")
    image = keras.Input((4, 4, 4))
    model = keras.Model(image, BODIES[body](image))
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            # Channels of different size, so that their scales differ as well.
            layer.kernel.assign(layer.kernel * np.geomspace(0.05, 2, 8))
    quantized = fake_quantize(model)
    calibrate(quantized, images)
    before = quantized.get_weights()
    outputs, step = exported_outputs(quantized, tmp_path / "model.tflite", images)
    # By itself the converter is 85 to 215 steps off in all but the first channel.
    assert np.abs(outputs - quantized(images)).max() <= 2.01 * step
    for old, new in zip(before, quantized.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_only_what_is_uniform_and_not_zero_changes_and_only_meanwhile():
    image = keras.Input((4, 4, 4))
    values = {"zero": np.zeros(8), "uniform": np.full(8, 3), "other": np.arange(8)}
    x = image
    for name in values:
        x = layers.Conv2D(8, 1, name=name)(x)
    x = layers.Conv2D(1, 1, bias_initializer="ones", name="single")(x)
    model = keras.Model(image, x)
    for name, value in values.items():
        model.get_layer(name).bias.assign(value)
    with no_uniform_biases(model):
        meanwhile = model.get_layer("uniform").bias.numpy()
        assert np.ptp(meanwhile) > 0
        np.testing.assert_allclose(meanwhile, 3, rtol=2e-6)
        for name in ("zero", "other"):
            np.testing.assert_array_equal(model.get_layer(name).bias, values[name])
        assert model.get_layer("single").bias.numpy() == 1
    for name, value in values.items():
        np.testing.assert_array_equal(model.get_layer(name).bias, value)
