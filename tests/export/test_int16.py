import numpy as np
import pytest
import realistic
import tf_keras as keras
import tiny
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.quantization.calibration import Calibration
from tfcompress.quantization.post_training import quantize_calibrated

layers = keras.layers
HOW = Calibration(method="min_max")
PICTURES = realistic.pictures(16, (8, 8, 1))


def net(build):
    """An int8 convolution, what is built on its 4 channels, and an int8 dense layer."""
    keras.utils.set_random_seed(0)
    image = layers.Input((8, 8, 1), name="image")
    x = build(layers.Conv2D(4, 3, padding="same", name="stem")(image))
    x = layers.Flatten(name="flat")(x)
    model = keras.Model(image, layers.Dense(3, name="logits")(x), name="net")
    realistic.make_realistic(model, PICTURES)
    return model


def output_steps(path, kernels=OpResolverType.AUTO):
    interpreter = Interpreter(str(path), experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    (taken,) = interpreter.get_input_details()
    (given,) = interpreter.get_output_details()
    scale, zero_point = taken["quantization"]
    results = []
    for picture in PICTURES:
        steps = np.clip(np.round(picture / scale) + zero_point, -128, 127)
        interpreter.set_tensor(taken["index"], steps[np.newaxis].astype(np.int8))
        interpreter.invoke()
        results.append(interpreter.get_tensor(given["index"]))
    return np.concatenate(results).astype(int)


KINDS = {
    "Conv2D": lambda x: layers.Conv2D(6, 3, activation="relu", name="wide")(x),
    "DepthwiseConv2D": lambda x: layers.DepthwiseConv2D(3, name="wide")(x),
    "Conv2DTranspose": lambda x: layers.Conv2DTranspose(4, 2, 2, name="wide")(x),
    "Dense": lambda x: layers.Dense(5, name="wide")(layers.Flatten(name="f")(x)),
    "Add": lambda x: layers.Add(name="wide")([x, layers.Conv2D(4, 1, name="o")(x)]),
    "Multiply": lambda x: layers.Multiply(name="wide")(
        [x, layers.Conv2D(4, 1, name="o")(x)]
    ),
    "GlobalAveragePooling2D": lambda x: layers.GlobalAveragePooling2D(name="wide")(x),
    "AveragePooling2D": lambda x: layers.AveragePooling2D(name="wide")(x),
    "MaxPooling2D": lambda x: layers.MaxPooling2D(name="wide")(x),
    "LeakyReLU": lambda x: layers.LeakyReLU(0.25, name="wide")(x),
    "ReLU": lambda x: layers.ReLU(name="wide")(layers.ZeroPadding2D(name="pad")(x)),
    "ZeroPadding2D": lambda x: layers.ZeroPadding2D(name="wide")(x),
    "Permute": lambda x: layers.Permute((2, 1, 3), name="wide")(x),
    "Reshape": lambda x: layers.Reshape((4, 16, 4), name="wide")(x),
    "BatchNormalization": lambda x: layers.BatchNormalization(name="norm")(
        layers.Conv2D(6, 3, use_bias=False, name="wide")(x)
    ),
}


QUICK = ("Conv2D", "Add", "AveragePooling2D")


@pytest.mark.parametrize("operators", ["fast", "builtin"])
@pytest.mark.parametrize(
    "kind",
    [k if k in QUICK else pytest.param(k, marks=pytest.mark.slow) for k in KINDS],
)
def test_the_file_computes_in_int16_what_the_model_does(tmp_path, kind, operators):
    model, path = net(KINDS[kind]), tmp_path / "m.tflite"
    options = {"keep_int16": ("wide",), "operators": operators}
    quantized = quantize_calibrated(model, PICTURES, HOW, **options)
    audit = tfc.export_tflite(quantized, path, slim=False).audit
    found = {p.layer: p.activations for p in audit.precisions if p.layer != "flat"}
    (wide,) = (layer for layer, dtype in found.items() if dtype == "int16")
    # What only moves values has the name of what it was given.
    assert wide == ("stem_to_int16" if kind in ("Permute", "Reshape") else "wide")
    assert set(found.values()) == {"int8", "int16"}
    assert audit.float_ops == ()
    # Into int16 and back, once for each input and the output.
    assert audit.ops["QUANTIZE"] == (3 if kind in ("Add", "Multiply") else 2)
    expected = quantized(PICTURES, training=False).numpy() / audit.output.scale
    for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
        given = output_steps(path, kernels) - audit.output.zero_point
        np.testing.assert_allclose(given, expected, atol=2.01)


def test_layers_that_follow_one_another_stay_in_int16(tmp_path):
    """A small difference of large values: their steps in int8 are larger than it."""

    def build(x):
        small = layers.Conv2D(4, 1, name="wide_small")(x)
        other = layers.Conv2D(4, 1, name="wide_other")(x)
        return layers.Add(name="wide_sum")([other, small])

    model = net(build)
    small, offset = model.get_layer("wide_small").weights
    kernel, bias = model.get_layer("wide_other").weights
    # Without it both would be rounded alike, and nothing lost.
    offset.assign(offset + 3.0)
    kernel.assign(-small)
    bias.assign(-offset)
    # What is left of the difference is 1/500 of either: less than a step of int8.
    small.assign(small * 1.002)
    head = model.get_layer("logits").kernel
    head.assign(head * 500.0)
    float_outputs = model(PICTURES, training=False).numpy()
    errors = {}
    for pattern in ((), ("wide_*",)):
        path = tmp_path / "m.tflite"
        quantized = quantize_calibrated(model, PICTURES, HOW, keep_int16=pattern)
        artifact = tfc.export_tflite(quantized, path)
        output = artifact.audit.output
        given = (output_steps(path) - output.zero_point) * output.scale
        errors[pattern] = np.abs(given - float_outputs).mean()
    assert errors[("wide_*",)] < 0.25 * errors[()]


def test_int16_meets_float_and_the_ports(tmp_path):
    model, path = tiny.model(), tmp_path / "m.tflite"
    realistic.make_realistic(model, PICTURES)
    options = {"keep_int16": ("*",), "keep_float": ("block_project",)}
    quantized = quantize_calibrated(model, PICTURES, HOW, **options)
    audit = tfc.export_tflite(quantized, path, slim=False).audit
    found = {p.layer: p.activations for p in audit.precisions}
    assert found.pop("block_project") == "float32"
    assert set(found.values()) == {"int16"}
    assert (audit.input.dtype, audit.output.dtype) == ("int8", "int8")
    expected = quantized(PICTURES, training=False).numpy() / audit.output.scale
    given = output_steps(path) - audit.output.zero_point
    np.testing.assert_allclose(given, expected, atol=2.01)


def test_a_layer_without_an_int16_operator_is_named():
    model = net(lambda x: layers.Activation("sigmoid", name="gate")(x))
    message = r"layer 'gate' of 'net' cannot compute in int16: .*keep_float=\('gate',\)"
    with pytest.raises(ModelError, match=message):
        tfc.QuantizationAware(keep_int16=("gate",)).check(model)
    with pytest.raises(ModelError, match=message):
        tfc.export_tflite(model, "m.tflite", tiny.data(), keep_int16=("g*",))
    with pytest.raises(InvalidArgumentError, match="keep_int16: no layer of 'net'"):
        tfc.export_tflite(model, "m.tflite", tiny.data(), keep_int16=("odd",))


def test_a_model_with_int16_layers_is_saved_exported_and_stripped(tmp_path):
    data = tiny.data()
    run = tfc.Run(data=data, workdir=tmp_path)
    stage = tfc.QuantizationAware(epochs=0, calibration=HOW, keep_int16=("block_*",))
    quantized = stage(tiny.model(), run)
    quantized.save(tmp_path / "m.keras")
    again = tfc.load_model(tmp_path / "m.keras")
    first = tfc.export_tflite(quantized, tmp_path / "a.tflite")
    assert tfc.export_tflite(again, tmp_path / "b.tflite").sha256 == first.sha256
    stripped = tfc.strip_quantization(quantized)
    ranges = quantized.get_layer("quant_block_add")._output_quantizer_vars
    integers = stripped.layers["block_add"]
    assert integers.output_scale == pytest.approx(float(ranges["max"]) / 32767)
    assert integers.output_zero_point == 0
