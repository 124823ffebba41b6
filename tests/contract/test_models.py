"""What every architecture promises: it goes through every technique to int8."""

import numpy as np
import pytest
import tf_keras as keras

import tfcompress as tfc
from tfcompress import models
from tfcompress.profiling.accuracy import predict

NAMES = sorted(models.ARCHITECTURES)
# The others repeat the blocks of these and take longer.
QUICK = {"mobilenet_v1", "resnet8"}
QUICK_FIRST = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
    for name in sorted(NAMES, key=lambda name: name not in QUICK)
]
# Of the output scale, between the file and its Keras model. Each sum of a residual net
# rounds again; untrained, the 27 of ResNet-56 come to 12 steps.
MAX_STEPS = {"resnet56": 16}
PLAIN_LAYERS = {
    "InputLayer",
    "Conv2D",
    "DepthwiseConv2D",
    "BatchNormalization",
    "ReLU",
    "Add",
    "MaxPooling2D",
    "GlobalAveragePooling2D",
    "Dropout",
    "Dense",
}


def build(name):
    keras.utils.set_random_seed(0)
    return models.build(name, (16, 16, 1), 3, alpha=0.125, dropout=0.1)


def data():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (24, 16, 16, 1), dtype=np.uint8)
    return tfc.data.from_arrays(
        (images, np.arange(24) % 3), (images, np.arange(24) % 3)
    )


@pytest.mark.parametrize("name", NAMES)
def test_names_and_weights_do_not_depend_on_what_was_built_before(name):
    first = build(name)
    keras.Sequential([keras.layers.Conv2D(2, 1), keras.layers.ReLU()]).build(
        (None, 4, 4, 1)
    )
    second = build(name)
    assert first.to_json() == second.to_json()
    assert [w.name for w in first.weights] == [w.name for w in second.weights]
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_flat_plain_and_with_logits_out(name):
    model = build(name)
    assert model.name == name
    assert {type(layer).__name__ for layer in model.layers} <= PLAIN_LAYERS
    assert model.layers[-1].name == "logits"
    assert model.layers[-1].activation is keras.activations.linear
    assert model.output_shape == (None, 3)
    assert models.build(name, (28, 28, 1), 10, alpha=0.125).output_shape == (None, 10)


@pytest.mark.parametrize("name", QUICK_FIRST)
def test_float_file_computes_and_costs_the_same(name, tmp_path):
    model = build(name)
    path = tmp_path / "model.tflite"
    tfc.export_tflite(model, path, quantization="float32")
    np.testing.assert_allclose(
        predict(path, data()), predict(model, data()), rtol=1e-3, atol=1e-4
    )
    assert (
        tfc.profile(path, latency=False).totals.macs == tfc.profile(model).totals.macs
    )


@pytest.mark.parametrize("name", QUICK_FIRST)
def test_goes_through_pruning_and_qat_to_an_int8_file_of_the_same_answers(
    name, tmp_path
):
    model = build(name)
    run = tfc.Run(data=data(), workdir=tmp_path)
    pruned = tfc.Pruning(epochs=0, final_sparsity=0.5)(model, run)
    quantized = tfc.QuantizationAware(epochs=0)(pruned, run)
    plain, result = tfc.profile(model), tfc.profile(quantized)
    assert result.totals.params == plain.totals.params
    assert result.totals.macs == plain.totals.macs
    for layer in result.layers:
        if layer.type in ("Conv2D", "Dense"):
            # TF-MOT keeps round(n / 2) weights.
            assert abs(layer.sparsity - 0.5) <= 0.5 / layer.kernel_params
    path = tmp_path / "model.tflite"
    audit = tfc.export_tflite(quantized, path).audit
    assert not audit.float_ops
    assert "QUANTIZE" not in audit.ops
    num_kernels = sum(bool(layer.macs) for layer in plain.layers)
    ops = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    assert sum(audit.ops.get(op, 0) for op in ops) == num_kernels
    ours, theirs = predict(path, data()), predict(quantized, data())
    num_steps = MAX_STEPS.get(name, 8)
    assert np.abs(ours - theirs).max() <= num_steps * audit.output.scale
