"""What every architecture promises: it goes through every technique to int8."""

import functools
import re

import numpy as np
import pytest
import realistic
import tf_keras as keras

import tfcompress as tfc
from tfcompress import models
from tfcompress.errors import InvalidArgumentError
from tfcompress.quality.accuracy import predict
from tfcompress.rewriting.graph import Graph

NAMES = sorted(models.ARCHITECTURES)


def quick_first(*quick):
    """Marks all architectures but some as slow: a layer takes 10 ms to build."""
    return [
        name if name in quick else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(NAMES, key=lambda name: name not in quick)
    ]


PLAIN_LAYERS = {
    "Activation",
    "Add",
    "AveragePooling2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "InputLayer",
    "MaxPooling2D",
    "Multiply",
    "ReLU",
    "ChannelShuffle",
    "GroupedConv2D",
    "HardSigmoid",
    "HardSwish",
    "Slice",
}


def build(name):
    keras.utils.set_random_seed(0)
    return models.build(name, (16, 16, 1), 3, alpha=0.125, dropout=0.1)


@functools.cache
def built(name):
    """Returns a model that tests share, so they must leave it as it is."""
    return build(name)


def data():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (24, 16, 16, 1), dtype=np.uint8)
    return tfc.data.from_arrays(
        (images, np.arange(24) % 3), (images, np.arange(24) % 3)
    )


def outputs(model):
    x = np.random.default_rng(0).random((4, *model.input_shape[1:]), np.float32)
    return model(x).numpy()


# The others are made of the same functions as one of these.
OF_EACH_KIND = quick_first(
    *(set(NAMES) - {"resnet20", "resnet34", "resnet50", "resnet56"})
    - {"mobilenet_v3_large", "efficientnet_lite0"}
)


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_flat_plain_and_with_logits_out(name):
    model = built(name)
    assert model.name == name
    assert {type(layer).__name__ for layer in model.layers} <= PLAIN_LAYERS
    assert model.layers[-1].name == "logits"
    assert isinstance(
        model.layers[-1], (keras.layers.Dense, keras.layers.GlobalAveragePooling2D)
    )
    if isinstance(model.layers[-1], keras.layers.Dense):
        assert model.layers[-1].activation is keras.activations.linear
    assert model.output_shape == (None, 3)
    assert outputs(model).std() > 0


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_no_layer_has_an_automatic_name(name):
    for layer in built(name).layers:
        words = re.findall("[A-Z][a-z0-9]*", type(layer).__name__)
        stem = "_".join(words).lower().replace("conv2_d", "conv2d")
        assert not re.fullmatch(rf"{stem}(_\d+)?", layer.name) or stem == "dropout"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((7, 28, 1), 10), "at least 8"),
        (((28, 28, 1), 1), "num_classes is 1: .*at least 2"),
        (((28, 28, 1), 10, 0.0), "alpha is 0.*above 0"),
        (((28, 28, 1), 10, 1.0, 1.0), r"dropout is 1\.0: "),
    ],
)
def test_bad_arguments_are_refused_with_those_that_would_do(name, arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        models.ARCHITECTURES[name](*arguments)


@pytest.mark.parametrize("name", quick_first("mobilenet_v1", "resnet8", "ds_cnn"))
def test_names_and_weights_do_not_depend_on_what_was_built_before(name):
    first = built(name)
    keras.Sequential([keras.layers.Conv2D(2, 1), keras.layers.ReLU()]).build(
        (None, 4, 4, 1)
    )
    second = build(name)
    assert first.to_json() == second.to_json()
    assert [w.name for w in first.weights] == [w.name for w in second.weights]
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", quick_first("mobilenet_v1", "resnet8", "ds_cnn"))
@pytest.mark.parametrize("input_shape", [(28, 28, 1), (33, 50, 3), (96, 96, 1)])
def test_builds_at_other_sizes_with_the_same_weights(name, input_shape):
    model = models.build(name, input_shape, 10, alpha=0.125)
    assert model.output_shape == (None, 10)
    if input_shape[-1] == 1 and name != "vgg16":
        theirs = built(name).weights
        changed = [
            a.name
            for a, b in zip(model.weights, theirs, strict=True)
            if a.shape != b.shape
        ]
        # The class weights alone differ: 10 classes here, 3 there.
        assert {weight.split("/")[0] for weight in changed} <= {"logits", "head_conv"}


@pytest.mark.parametrize(
    "name", quick_first("mobilenet_v1", "shufflenet_v1", "mobilenet_v3_small")
)
def test_rebuilt_from_its_graph_it_computes_the_same(name):
    model = built(name)
    rebuilt = Graph.from_model(model).to_model()
    assert rebuilt.to_json() == model.to_json()
    np.testing.assert_array_equal(outputs(rebuilt), outputs(model))


@pytest.mark.parametrize(
    "name", quick_first("mobilenet_v1", "shufflenet_v1", "mobilenet_v3_small")
)
def test_saved_and_loaded_it_computes_the_same(name, tmp_path):
    model = built(name)
    model.save(tmp_path / "model.keras")
    loaded = tfc.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(loaded), outputs(model))


@pytest.mark.parametrize(
    "name", quick_first("resnet8", "shufflenet_v1", "mobilenet_v3_small")
)
def test_float_file_computes_and_costs_the_same(name, tmp_path):
    model = Graph.from_model(built(name)).to_model()
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name.split(":")[0].endswith(("bias", "beta")):
            # The converter drops biases of zeros, and stores equal ones once.
            weight.assign(random.uniform(0.001, 0.002, weight.shape))
    path = tmp_path / "model.tflite"
    tfc.export_tflite(model, path, quantization="float32")
    expected = predict(model, data())
    # A number near zero is as exact as the largest, of which it may be a difference.
    atol = 1e-4 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(predict(path, data()), expected, rtol=1e-3, atol=atol)
    file, live = tfc.profile(path, latency=False).totals, tfc.profile(model).totals
    assert file.macs == live.macs
    assert file.params == live.folded_params


@pytest.mark.parametrize("name", quick_first("mobilenet_v1", "resnet8"))
def test_goes_through_pruning_and_qat_to_an_int8_file_of_the_same_answers(
    name, tmp_path
):
    # Random kernels would make noise of every rounding: see realistic.py.
    model = Graph.from_model(built(name)).to_model()
    images = realistic.pictures(24, model.input_shape[1:])
    realistic.make_realistic(model, images)
    labels = np.arange(24) % 3
    data = tfc.data.from_arrays((images, labels), (images, labels))
    run = tfc.Run(data=data, workdir=tmp_path)
    pruned = tfc.Pruning(epochs=0, final_sparsity=0.5)(model, run)
    quantized = tfc.QuantizationAware(epochs=0)(pruned, run)
    plain, result = tfc.profile(model), tfc.profile(quantized)
    assert result.totals.params == plain.totals.params
    assert result.totals.macs == plain.totals.macs
    for layer in result.layers:
        if layer.type in ("Conv2D", "Dense"):
            # TF-MOT keeps round(n / 2) weights.
            assert abs(layer.sparsity - 0.5) <= 0.5 / layer.kernel_params + 1e-9
    path = tmp_path / "model.tflite"
    assert not tfc.export_tflite(quantized, path).audit.float_ops
    # Its answers without the zeros: half the kernels gone, the statistics of an
    # untrained net no longer fit.
    quantized = tfc.QuantizationAware(epochs=0)(model, run)
    audit = tfc.export_tflite(quantized, path).audit
    assert not audit.float_ops
    assert "QUANTIZE" not in audit.ops
    # Average pooling is a depthwise convolution there.
    kinds = [type(getattr(x, "layer", x)).__name__ for x in quantized.layers]
    num_kernels = sum(bool(layer.macs) for layer in plain.layers)
    num_kernels += kinds.count("WindowAverage")
    ops = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    assert sum(audit.ops.get(op, 0) for op in ops) == num_kernels
    ours, theirs = predict(path, data), predict(quantized, data)
    assert np.abs(ours - theirs).max() <= 4 * audit.output.scale
    assert ours.std(axis=0).max() > 10 * audit.output.scale
