import numpy as np
import pytest
import realistic
import tensorflow_model_optimization as tfmot
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import ModelError
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.profiling.tflite_graph import read_tflite
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate

layers = keras.layers
PICTURES = realistic.pictures(16, (8, 8, 1))
# Where the file has the axes of a Keras kernel, and how many of them are channels.
LAYOUTS = {
    "CONV_2D": lambda kernel: np.moveaxis(kernel, -1, 0),
    "DEPTHWISE_CONV_2D": lambda kernel: kernel.reshape(1, *kernel.shape[:2], -1),
    "FULLY_CONNECTED": np.transpose,
}


def varied_model():
    """Kernels of every kind; BatchNormalization with positive and negative gammas."""
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(6, 3, use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = layers.Activation("hard_sigmoid", name="gate")(x)
    x = GroupedConv2D(8, 1, groups=2, name="grouped")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="varied")


def quantized(model):
    keras.utils.set_random_seed(0)
    realistic.make_realistic(model, PICTURES)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            signs = np.where(np.arange(layer.gamma.shape[0]) % 2, -1.0, 1.5)
            layer.gamma.assign(layer.gamma * signs)
    made = fake_quantize(model)
    calibrate(made, PICTURES)
    return made


@pytest.fixture(scope="module", params=[tiny.model, varied_model])
def model(request):
    return quantized(request.param())


def kernels_in_file(model, path):
    """Returns integers and scales of each kernel in a file, by name of the layer."""
    tfc.export_tflite(model, path, slim=False)
    (graph,) = read_tflite(path)
    kernels = {}
    for op in graph.ops:
        if op.name in LAYOUTS:
            kernel = op.inputs[1]
            values = kernel.values().reshape(kernel.shape)
            kernels[op.layer] = (op.name, values, kernel.scales)
    return kernels


def folded(model, name):
    """Returns what the BatchNormalization behind a layer multiplies channels by."""
    (after,) = model.get_layer(name).outbound_nodes
    norm = after.layer
    if not isinstance(norm, layers.BatchNormalization):
        return np.ones(1)
    return (norm.gamma / np.sqrt(norm.moving_variance + norm.epsilon)).numpy()


def test_integers_and_scales_are_those_of_the_file(model, tmp_path):
    stripped = tfc.strip_quantization(model)
    in_file = kernels_in_file(model, tmp_path / "m.tflite")
    assert len(in_file) == 4
    for name, (op, integers, scales) in in_file.items():
        layer = stripped.layers[name]
        factor = folded(stripped.model, name) if op != "FULLY_CONNECTED" else np.ones(1)
        np.testing.assert_allclose(layer.scales * np.abs(factor), scales, rtol=1e-5)
        signs = np.sign(factor).astype(np.int8)
        if op == "DEPTHWISE_CONV_2D" and len(signs) > 1:
            signed = layer.integers * signs.reshape(-1, 1)
        else:
            signed = layer.integers * signs
        np.testing.assert_array_equal(LAYOUTS[op](signed), integers)
        np.testing.assert_array_equal(layer.zero_points, np.zeros(len(scales)))


def test_scales_of_input_and_output_are_those_of_the_file(model, tmp_path):
    stripped = tfc.strip_quantization(model)
    audit = tfc.export_tflite(model, tmp_path / "m.tflite").audit
    for name, port in (("image", audit.input), ("logits", audit.output)):
        layer = stripped.layers[name]
        assert layer.output_scale == pytest.approx(port.scale, rel=1e-6)
        assert layer.output_zero_point == port.zero_point


def test_the_plain_model_has_the_rounded_kernels_and_rounds_nothing_else(model):
    before = [weight.copy() for weight in model.get_weights()]
    stripped = tfc.strip_quantization(model)
    kinds = {type(layer).__name__ for layer in stripped.model.layers}
    assert not [kind for kind in kinds if "Quantize" in kind]
    # All layers but the one that rounds the input.
    assert len(stripped.model.layers) == len(model.layers) - 1
    for name, layer in stripped.layers.items():
        if layer.integers is None:
            continue
        kernel = stripped.model.get_layer(name).get_weights()[0]
        steps = layer.integers.reshape(-1, layer.scales.size) * layer.scales
        np.testing.assert_allclose(kernel.reshape(steps.shape), steps, rtol=1e-5)
    rounded = model(PICTURES, training=False).numpy()
    plain = stripped.model(PICTURES, training=False).numpy()
    assert np.unique(plain).size == plain.size
    step = stripped.layers["logits"].output_scale
    assert 0 < np.abs(plain - rounded).max() < 12 * step
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_the_plain_model_can_be_saved_and_quantized_again(model, tmp_path):
    stripped = tfc.strip_quantization(model)
    tfc.save_model(stripped.model, tmp_path / "plain.keras")
    again = fake_quantize(tfc.load_model(tmp_path / "plain.keras"))
    calibrate(again, PICTURES)
    # Rounded kernels are on their grid: nothing is lost by rounding them again.
    for name, layer in tfc.strip_quantization(again).layers.items():
        if layer.integers is not None:
            expected = stripped.layers[name].integers
            np.testing.assert_array_equal(layer.integers, expected)


def test_a_model_of_tf_mot_itself_is_stripped_too(tmp_path):
    original = tiny.model()
    realistic.make_realistic(original, PICTURES)
    model = tfmot.quantization.keras.quantize_model(original)
    for _ in range(3):
        model(PICTURES, training=True)
    stripped = tfc.strip_quantization(model)
    assert {type(layer) for layer in stripped.model.layers} == {
        type(layer) for layer in original.layers
    }
    activations = {
        layer.name: layer.activation.__name__
        for layer in stripped.model.layers
        if hasattr(layer, "activation")
    }
    assert set(activations.values()) == {"linear"}
    in_file = kernels_in_file(model, tmp_path / "m.tflite")
    for name in ("stem_conv", "block_project", "logits"):
        op, integers, _ = in_file[name]
        found = LAYOUTS[op](stripped.layers[name].integers)
        np.testing.assert_array_equal(found, integers)
    assert stripped.layers["image"].output_scale > 0
    plain = stripped.model(PICTURES, training=False).numpy()
    assert np.unique(plain).size == plain.size


def test_a_plain_model_is_refused():
    with pytest.raises(ModelError, match="'tiny' is not quantized"):
        tfc.strip_quantization(tiny.model())
    with pytest.raises(ModelError, match="expected a tf_keras model"):
        tfc.strip_quantization(None)


def test_what_computes_in_float_has_a_scale_where_int8_begins_and_no_integers():
    made = fake_quantize(tiny.model(), keep_float=("stem_conv",))
    calibrate(made, PICTURES)
    stripped = tfc.strip_quantization(made)
    assert [layer.name for layer in stripped.model.layers] == [
        layer.name for layer in tiny.model().layers
    ]
    assert stripped.layers["stem_conv"].integers is None
    bounds = made.get_layer("quant_stem_relu_to_int8")._output_quantizer_vars
    step = float(bounds["max"] - bounds["min"]) / 255
    assert stripped.layers["stem_relu"].output_scale == pytest.approx(step)
    found = stripped.model(PICTURES, training=False)
    expected = made(PICTURES, training=False)
    assert np.abs(found - expected).max() < 0.05 * np.ptp(expected)
