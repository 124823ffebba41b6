import json

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate
from tfcompress.sensitivity.quantization import (
    LayerSensitivity,
    QuantizationSensitivity,
)

layers = keras.layers
HOW = tfc.Calibration(method="min_max", num_images=24)


@pytest.fixture(scope="module")
def data():
    return tiny.data()


@pytest.fixture(scope="module")
def model():
    result = tiny.model()
    kernel = result.get_layer("logits").kernel
    kernel.assign(100 * kernel)
    return result


@pytest.fixture(scope="module")
def scan(model, data):
    return tfc.quantization_sensitivity(model, data, HOW)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def divergence(exact, found):
    exact, found = (log_softmax(np.float64(x)) for x in (exact, found))
    return np.mean(np.sum(np.exp(exact) * (exact - found), -1))


def validation(data):
    return next(iter(data.batches("validation", 1000)))


def test_rows_are_the_operators_of_the_runtime(scan):
    names = [row.layers for row in scan.rows]
    assert names == [
        ("image",),
        ("stem_conv", "stem_norm", "stem_relu"),
        ("block_depthwise", "block_norm", "block_relu"),
        ("block_project",),
        ("block_add",),
        ("pool",),
        ("logits",),
    ]
    weights = [row.num_weights for row in scan.rows]
    assert weights == [0, 3 * 3 * 8, 3 * 3 * 8, 8 * 8, 0, 0, 8 * 3]
    assert all(row.kl >= 0 for row in scan.rows)


def test_printed_it_has_the_ten_largest_divergences():
    rows = tuple(
        LayerSensitivity((f"layer_{place}", "relu"), place / 100, 0.5, 1)
        for place in range(12)
    )
    lines = str(QuantizationSensitivity("m", 500, 0.92, 0.9125, rows)).splitlines()
    assert lines[0].startswith("top-1 92.00% in float, 91.25% in int8, on 500 images")
    assert lines[2].split() == ["layer_11", "0.11", "50.00%"]
    assert len(lines) == 2 + 10
    assert lines[-1].split()[0] == "layer_2"


def test_the_input_alone_is_rounded_to_256_steps(model, data, scan):
    images, labels = (x.numpy() for x in validation(data))
    assert scan.num_images == len(images)
    shown = data.calibration(24, 0).images
    step = shown.max() / 255
    rounded = np.clip(np.round(images / step), 0, 255) * step
    exact, found = (model.predict(x, verbose=0) for x in (images, rounded))
    assert scan.rows[0].kl == pytest.approx(divergence(exact, found), rel=1e-2)
    assert scan.rows[0].top1 == np.mean(found.argmax(-1) == labels)
    assert scan.top1 == np.mean(exact.argmax(-1) == labels)


def test_all_layers_together_are_the_quantized_model(model, data, scan):
    quantized = fake_quantize(model)
    calibrate(quantized, data.calibration(24, 0).images, HOW)
    images, labels = (x.numpy() for x in validation(data))
    found = quantized(images, training=False).numpy()
    assert scan.int8_top1 == np.mean(found.argmax(-1) == labels)


def test_a_layer_that_is_hard_to_round_stands_out(data):
    image = layers.Input((8, 8, 1), name="image")
    conv = layers.Conv2D(4, 1, use_bias=False, name="conv")
    x = layers.GlobalAveragePooling2D(name="pool")(conv(image))
    logits = layers.Dense(3, name="logits")
    model = keras.Model(image, logits(x))
    conv.kernel.assign(np.reshape([0, 1, 0.9, 0.8], (1, 1, 1, 4)))
    # The first feature is always 0, but its weights make the steps of the others 1.6.
    logits.kernel.assign([[200, 0, 0], [0.4, 0, 0], [0, 0.5, 0], [0, 0, 0.6]])
    scan = tfc.quantization_sensitivity(model, data, HOW)
    assert scan.most_sensitive() == ("logits", "conv")
    # Their weights become 0, and with them the logits.
    images, _ = validation(data)
    exact = model.predict(images, verbose=0)
    expected = divergence(exact, np.zeros_like(exact))
    assert scan.rows[-1].kl == pytest.approx(expected, rel=1e-2)


def test_only_layers_with_kernels_are_ranked():
    rows = [
        LayerSensitivity(("a",), 0.1, 0.9, 10),
        LayerSensitivity(("add",), 0.9, 0.9, 0),
        LayerSensitivity(("b", "norm"), 0.5, 0.9, 10),
    ]
    scan = QuantizationSensitivity("net", 10, 0.9, 0.9, tuple(rows))
    assert scan.most_sensitive() == ("b", "a")
    assert json.loads(scan.to_json())["rows"][2]["layers"] == ["b", "norm"]


def test_what_cannot_be_measured(model, data):
    with pytest.raises(InvalidArgumentError, match="num_images=0; expected 1 or more"):
        tfc.quantization_sensitivity(model, data, num_images=0)
    with pytest.raises(ModelError, match="is quantized already"):
        tfc.quantization_sensitivity(fake_quantize(model), data)
