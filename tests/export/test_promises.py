import warnings
from dataclasses import replace

import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import ExportError
from tfcompress.export import export_tflite
from tfcompress.export.promises import check_weights
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.quantization.calibration import Calibration
from tfcompress.quantization.post_training import quantize_calibrated
from tfcompress.quantization.shared_values import WeightCounts
from tfcompress.quantization.strip import strip_quantization

IMAGES = np.random.default_rng(0).normal(size=(8, 8, 8, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A net whose kernels have 5 values, zero among them, and the audit of its file."""
    image = keras.Input((8, 8, 2), name="image")
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = GroupedConv2D(4, 1, groups=2, use_bias=False, name="grouped")(x)
    x = keras.layers.ReLU(name="relu")(
        keras.layers.BatchNormalization(name="behind")(x)
    )
    x = keras.layers.Flatten(name="flat")(x)
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="net")
    for name in ("conv", "grouped", "logits"):
        kernel = model.get_layer(name).kernel
        steps = np.arange(np.prod(kernel.shape)) % 5 - 2.0
        kernel.assign(steps.reshape(kernel.shape) / 7)
    model.get_layer("norm").gamma.assign([0.3, 1.0, 2.0, 5.0])
    quantized = quantize_calibrated(model, IMAGES, Calibration())
    folder = tmp_path_factory.mktemp("promises")
    return quantized, export_tflite(quantized, folder / "model.tflite").audit


def test_a_file_has_the_zeros_and_values_of_the_model(exported):
    quantized, audit = exported
    check_weights(quantized, audit)
    counts = [kernel.counts for kernel in audit.kernels]
    # Of 72, 8 and 4*36*3 weights every fifth is zero, the third being the first.
    assert counts == [
        WeightCounts(72, 14, 5, 5),
        WeightCounts(8, 2, 5, 2),
        WeightCounts(432, 86, 5, 5),
    ]


@pytest.mark.parametrize("position", [0, 1, 2], ids=["conv", "grouped", "logits"])
@pytest.mark.parametrize(
    ("change", "lost"),
    [({"num_zeros": 1}, "zeros"), ({"num_values": 6}, "its 5 values, and has 6")],
)
def test_a_file_that_lost_something_is_refused(exported, position, change, lost):
    quantized, audit = exported
    kernels = list(audit.kernels)
    counts = replace(kernels[position].counts, **change)
    kernels[position] = replace(kernels[position], counts=counts)
    name = ("conv", "grouped", "logits")[position]
    with pytest.raises(
        ExportError, match=f"lost .*{lost}.* of layer '{name}' of 'net'"
    ):
        check_weights(quantized, replace(audit, kernels=tuple(kernels)))


def test_kernels_that_are_not_found_are_named_in_a_warning(exported):
    quantized, audit = exported
    others = tuple(replace(k, layer=f"{k.layer}_x") for k in audit.kernels[:2])
    with pytest.warns(UserWarning, match="of conv, grouped in 'net' were not checked"):
        check_weights(quantized, replace(audit, kernels=others + audit.kernels[2:]))


def test_a_kernel_in_float_keeps_its_zeros_and_values_of_a_channel(exported, tmp_path):
    quantized, _ = exported
    model = strip_quantization(quantized).model
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixed = quantize_calibrated(model, IMAGES, Calibration(), keep_float=("conv",))
        audit = export_tflite(mixed, tmp_path / "model.tflite").audit
    counts = audit.kernels[0].counts
    # The norm behind has a factor for each of 4 channels, which keeps 0.
    assert (counts.num_zeros, counts.num_channel_values) == (14, 5)
    assert counts.num_values > 5 and audit.precisions[0].weights == "float32"
    (first, *rest) = audit.kernels
    fewer = replace(first, counts=replace(counts, num_zeros=13))
    with pytest.raises(ExportError, match="lost 1 of 14 zeros, of layer 'conv'"):
        check_weights(mixed, replace(audit, kernels=(fewer, *rest)))
