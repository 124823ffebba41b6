"""Biases of the fake-quantized model are those of the file, to the last step."""

import numpy as np
import pytest
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter
from int8_file import run

import tfcompress as tfc
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.biases import correct_biases, round_biases
from tfcompress.quantization.calibration import Calibration, calibrate
from tfcompress.quantization.post_training import quantize_calibrated

layers = keras.layers
UNEVEN = keras.initializers.RandomNormal(seed=1)


def norm(x, **options):
    """A BatchNormalization none of whose weights is what Keras starts with."""
    layer = layers.BatchNormalization(beta_initializer=UNEVEN, **options)
    x = layer(x)
    count = x.shape[-1]
    layer.moving_mean.assign(np.linspace(-0.3, 0.4, count))
    layer.moving_variance.assign(np.linspace(0.2, 3, count))
    if layer.scale:
        layer.gamma.assign(np.linspace(-1.5, 2, count))
    return x


# Each has a ReLU after it, so that only one tensor is rounded between the images and
# the output.
LAYERS = {
    "conv": lambda x: layers.Conv2D(6, 3, bias_initializer=UNEVEN)(x),
    "conv_norm": lambda x: norm(layers.Conv2D(6, 3, use_bias=False)(x)),
    "conv_bias_norm": lambda x: norm(layers.Conv2D(6, 3, bias_initializer=UNEVEN)(x)),
    "conv_norm_unscaled": lambda x: norm(layers.Conv2D(6, 3)(x), scale=False),
    "depthwise": lambda x: norm(layers.DepthwiseConv2D(3, depth_multiplier=2)(x)),
    "dense": lambda x: layers.Dense(6, bias_initializer=UNEVEN)(layers.Flatten()(x)),
    "transposed": lambda x: layers.Conv2DTranspose(6, 3, bias_initializer=UNEVEN)(x),
    "behind_a_pool": lambda x: layers.Conv2D(6, 1, bias_initializer=UNEVEN)(
        layers.MaxPooling2D()(x)
    ),
    "behind_a_sigmoid": lambda x: layers.Conv2D(6, 1, bias_initializer=UNEVEN)(
        layers.Activation("sigmoid")(x)
    ),
}


@pytest.fixture(params=LAYERS)
def quantized(request):
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.ReLU()(LAYERS[request.param](image)))
    made = fake_quantize(model)
    images = np.random.default_rng(0).uniform(-1, 1, (16, 6, 6, 3)).astype("float32")
    calibrate(made, images)
    return made, images


def file_biases(path):
    """Returns the int32 biases of the only layer that has some, times their scales."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    for tensor in interpreter.get_tensor_details():
        scales = tensor["quantization_parameters"]["scales"]
        if tensor["dtype"] == np.int32 and len(scales):
            return interpreter.get_tensor(tensor["index"]) * scales, scales
    raise AssertionError("no int32 bias in the file")


def model_biases(model):
    """Returns what the model adds to each channel, BatchNormalization included."""
    for wrapper in model.layers:
        layer = getattr(wrapper, "layer", wrapper)
        if getattr(layer, "use_bias", None) is not None:
            biases = layer.bias.numpy() if layer.use_bias else 0.0
        if isinstance(layer, layers.BatchNormalization):
            factor = 1 / np.sqrt(layer.moving_variance + layer.epsilon)
            factor = factor * layer.gamma if layer.scale else factor
            biases = (biases - layer.moving_mean) * factor + layer.beta
    return np.asarray(biases)


def test_the_model_has_the_biases_of_the_file(quantized, tmp_path):
    model, _ = quantized
    before = model_biases(model)
    tfc.export_tflite(model, tmp_path / "before.tflite")
    exact, scales = file_biases(tmp_path / "before.tflite")
    assert np.abs(before - exact).max() > 0.1 * scales.min()
    round_biases(model)
    tolerance = {"rtol": 1e-6, "atol": 0.01 * scales.min()}
    np.testing.assert_allclose(model_biases(model), exact, **tolerance)
    tfc.export_tflite(model, tmp_path / "after.tflite")
    np.testing.assert_array_equal(file_biases(tmp_path / "after.tflite")[0], exact)


def test_rounding_twice_is_rounding_once(quantized):
    model, _ = quantized
    round_biases(model)
    once = model_biases(model)
    round_biases(model)
    np.testing.assert_allclose(model_biases(model), once, rtol=1e-6, atol=1e-8)


BIASES = np.array([0.0, 5.0, 9.0], np.float32)


def scaled(layer, factors, x):
    """Calls a layer and multiplies the kernel of each output channel by a factor."""
    y = layer(x)
    kernel = layer.weights[0]
    shape = (3, 1) if isinstance(layer, layers.DepthwiseConv2D) else (3,)
    kernel.assign(kernel * np.reshape(np.float32(factors), shape))
    if layer.use_bias:
        layer.bias.assign(BIASES)
    return y


def gammas(values, y):
    layer = layers.BatchNormalization()
    y = layer(y)
    layer.gamma.assign(values)
    layer.beta.assign(BIASES)
    return y


def conv(**options):
    return layers.Conv2D(3, 3, **options)


def depthwise(**options):
    return layers.DepthwiseConv2D(3, **options)


def behind_zeros(x):
    dead = layers.Conv2D(2, 1, bias_initializer=keras.initializers.Constant(-50))(x)
    return scaled(conv(), [1, 1, 1], layers.ReLU()(dead))


# The last channel is 9, to within 1e-4.
BIAS_ONLY = {
    "conv": lambda x: scaled(conv(), [1, 1, 0], x),
    "conv_of_tiny_weights": lambda x: scaled(conv(), [1, 1, 1e-6], x),
    "conv_of_zeros": lambda x: scaled(conv(), [0, 0, 0], x),
    "depthwise": lambda x: scaled(depthwise(), [1, 1, 0], x),
    "dense": lambda x: scaled(layers.Dense(3), [0, 0, 0], layers.Flatten()(x)),
    "conv_norm": lambda x: gammas(
        [1, 1, 1], scaled(conv(use_bias=False), [1, 1, 0], x)
    ),
    "gamma_of_zero": lambda x: gammas([1, -1, 0], conv()(x)),
    "gammas_of_zero": lambda x: gammas([0, 0, 0], depthwise(use_bias=False)(x)),
    "tiny_gamma": lambda x: gammas([1, -1, 1e-7], depthwise()(x)),
    "behind_zeros": behind_zeros,
}
OPTIONS = ({}, {"per_channel": False}, {"keep_int16": ("*",)})


@pytest.mark.parametrize("options", OPTIONS, ids=["int8", "per_tensor", "int16"])
@pytest.mark.parametrize("name", BIAS_ONLY)
def test_a_channel_without_weights_has_its_bias_in_the_file(name, options, tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, BIAS_ONLY[name](image))
    images = np.random.default_rng(0).uniform(-1, 1, (8, 6, 6, 3)).astype("float32")
    quantized = quantize_calibrated(model, images, Calibration(), **options)
    path = tmp_path / "model.tflite"
    tfc.export_tflite(quantized, path)
    outputs, step = run(path, images)
    # Without room for them it was 9 - 100 steps, or a float operator.
    np.testing.assert_allclose(outputs[..., 2], 9, atol=1.01 * step)
    # The other channels have their weights still.
    assert np.abs(outputs - model(images, training=False)).max() <= 2.01 * step
    # Two roundings, where the file goes from int16 to int8 at its end.
    assert np.abs(outputs - quantized(images, training=False)).max() <= 1.01 * step


@pytest.mark.parametrize("gamma", [None, -1.0, 1e-3])
def test_tiny_weights_beside_a_large_bias_are_still_seen_in_int16(gamma, tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(64, 1, activation="relu")(image)
    # Of steps of 0.002 / 127 / 32767, where inputs are 1 at most, the bias of 2 would
    # be 4.2e9, where an int32 has 2.1e9; the 576 weights add up to 0.05 to it.
    bound = 0.002 / abs(gamma or 1)
    kernel = keras.initializers.RandomUniform(0, bound, seed=0)
    bias = keras.initializers.Constant(2)
    if gamma is None:
        x = layers.Conv2D(4, 3, kernel_initializer=kernel, bias_initializer=bias)(x)
    else:
        x = layers.Conv2D(4, 3, kernel_initializer=kernel, use_bias=False)(x)
        scale = keras.initializers.Constant(gamma)
        x = layers.BatchNormalization(gamma_initializer=scale, beta_initializer=bias)(x)
    model = keras.Model(image, x)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 6, 6, 3)).astype("float32")
    options = {"keep_int16": ("*",)}
    quantized = quantize_calibrated(model, images, Calibration(), **options)
    path = tmp_path / "model.tflite"
    tfc.export_tflite(quantized, path)
    outputs, step = run(path, images)
    # With weights of zero it was 3 to 6 steps.
    assert np.abs(outputs - model(images, training=False)).max() <= 1.01 * step
    assert np.abs(outputs - quantized(images, training=False)).max() <= 1.01 * step


def test_a_layer_without_a_bias_stays_as_it_is():
    image = keras.Input((4, 4, 2))
    made = fake_quantize(keras.Model(image, layers.Conv2D(3, 1, use_bias=False)(image)))
    calibrate(made, np.ones((2, 4, 4, 2), np.float32))
    before = made.get_weights()
    round_biases(made)
    for old, new in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_layer_shared_by_inputs_of_two_scales_stays_as_it_is():
    one, two = keras.Input((4, 4, 2)), keras.Input((4, 4, 2))
    shared = layers.Conv2D(3, 1, bias_initializer=UNEVEN)
    made = fake_quantize(keras.Model([one, two], [shared(one), shared(two)]))
    calibrate(made, [np.ones((2, 4, 4, 2), "f"), np.full((2, 4, 4, 2), 3, "f")])
    before = model_biases(made)
    round_biases(made)
    np.testing.assert_array_equal(model_biases(made), before)


@pytest.mark.parametrize("options", OPTIONS, ids=["int8", "per_tensor", "int16"])
def test_a_channel_that_is_always_cut_off_costs_the_others_nothing(options, tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    # In int16 the last bias is 1e3 / (0.1 / 127 / 32767) = 4e10 steps.
    uniform = keras.initializers.RandomUniform(-0.1, 0.1, seed=0)
    dense = layers.Dense(3, kernel_initializer=uniform)
    model = keras.Model(image, layers.ReLU()(dense(layers.Flatten()(image))))
    dense.bias.assign([0, 0.1, -1e3])
    images = np.random.default_rng(0).uniform(-1, 1, (8, 6, 6, 3)).astype("float32")
    quantized = quantize_calibrated(model, images, Calibration(), **options)
    tfc.export_tflite(quantized, tmp_path / "model.tflite")
    outputs, step = run(tmp_path / "model.tflite", images)
    # Of roundings; without their weights the channels were 200 steps off.
    assert np.abs(outputs - model(images, training=False)).max() <= 4 * step


def test_a_shared_layer_keeps_the_weights_that_one_of_its_inputs_needs():
    one, two = keras.Input((4, 4, 2)), keras.Input((4, 4, 2))
    shared = layers.Conv2D(3, 1, bias_initializer=keras.initializers.Constant(5))
    made = fake_quantize(keras.Model([one, two], [shared(one), shared(two)]))
    # In steps of 2e-6 / 255 times the kernel's, 5 is more than an int32 has.
    calibrate(made, [np.ones((2, 4, 4, 2), "f"), np.full((2, 4, 4, 2), 2e-6, "f")])
    before = made.get_weights()
    round_biases(made)
    for old, new in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "behind_a_pool"])
def test_correction_restores_the_means_that_rounding_kernels_shifts(name):
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, LAYERS[name](image))
    for layer in model.layers:
        if hasattr(layer, "kernel") or hasattr(layer, "depthwise_kernel"):
            # One weight is far larger than the others of its channel: these are rounded
            # to few steps.
            weights = layer.get_weights()
            weights[0][(0,) * (weights[0].ndim - 2)] *= 20
            layer.set_weights(weights)
    images = np.random.default_rng(0).uniform(0, 1, (64, 6, 6, 3)).astype("float32")
    made = fake_quantize(model)
    calibrate(made, images, Calibration(method="min_max"))

    def shifts():
        difference = made(images, training=False).numpy() - model(images).numpy()
        return np.abs(difference.mean(axis=tuple(range(difference.ndim - 1)))).max()

    before = shifts()
    correct_biases(made, images, batch_size=48)
    # What is left is the rounding of images and outputs, which has no bias.
    assert shifts() < 0.4 * before
