"""What every architecture promises: it goes through every technique to int8."""

import numpy as np
import pytest
import tensorflow_model_optimization as tfmot
import tf_keras as keras

import tfcompress as tfc
from tfcompress import models
from tfcompress.profiling.accuracy import predict

quantization = tfmot.quantization.keras
NAMES = sorted(models.ARCHITECTURES)
# The others repeat the blocks of these; they cost minutes and show nothing new.
FAMILIES = ["mobilenet_v1", "mobilenet_v2", "resnet8", "resnet18"]
FAMILIES.append(pytest.param("resnet50", marks=pytest.mark.slow))
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


@pytest.mark.parametrize("name", NAMES)
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


def prune_half(model):
    def wrap(layer):
        if layer.__class__ in (keras.layers.Conv2D, keras.layers.Dense):
            return tfmot.sparsity.keras.prune_low_magnitude(
                layer.__class__.from_config(layer.get_config()),
                tfmot.sparsity.keras.ConstantSparsity(0.5, 0, frequency=1),
            )
        return layer.__class__.from_config(layer.get_config())

    wrapped = keras.models.clone_model(model, clone_function=wrap)
    # Eagerly: tracing costs more than the two steps.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    wrapped.compile("sgd", loss, run_eagerly=True)
    x = np.random.default_rng(0).random((8, 16, 16, 1), np.float32)
    wrapped.fit(
        x,
        np.arange(8) % 3,
        batch_size=4,
        verbose=0,
        callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
    )
    return tfmot.sparsity.keras.strip_pruning(wrapped)


@pytest.mark.parametrize("name", FAMILIES)
def test_prunes_trains_with_qat_and_converts_to_int8_only(name, tmp_path):
    model = build(name)
    pruned = prune_half(model)
    for layer in tfc.profile(pruned).layers:
        if layer.type in ("Conv2D", "Dense"):
            # TF-MOT keeps round(n / 2) weights.
            assert abs(layer.sparsity - 0.5) <= 0.5 / layer.kernel_params
    scheme = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
    quantized = quantization.quantize_apply(
        quantization.quantize_annotate_model(pruned), scheme
    )
    x = np.random.default_rng(0).random((64, 16, 16, 1), np.float32)
    quantized(x, training=True)
    path = tmp_path / "model.tflite"
    audit = tfc.export_tflite(quantized, path).audit
    assert not audit.float_ops
    assert "QUANTIZE" not in audit.ops
    num_kernels = sum(bool(layer.macs) for layer in tfc.profile(model).layers)
    ops = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    assert sum(audit.ops.get(op, 0) for op in ops) == num_kernels
    ours, theirs = predict(path, data()), predict(quantized, data())
    assert np.abs(ours - theirs).max() <= 8 * audit.output.scale


@pytest.mark.parametrize("name", FAMILIES)
def test_default_qat_keeps_every_weight(name):
    model = build(name)
    quantized = quantization.quantize_model(model)
    plain, result = tfc.profile(model).totals, tfc.profile(quantized).totals
    assert (result.params, result.macs) == (plain.params, plain.macs)
