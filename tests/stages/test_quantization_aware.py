import numpy as np
import pytest
import tensorflow as tf
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError
from tfcompress.stages.quantization_aware import calibrate


def run(tmp_path):
    return tfc.Run(data=tiny.data(), workdir=tmp_path)


def ranges(model):
    return {
        weight.name.split(":")[0]: weight.numpy()
        for weight in model.weights
        if weight.name.split(":")[0].endswith(("_min", "_max"))
    }


def test_calibration_takes_ranges_from_the_images(tmp_path):
    model = tiny.model()
    context = run(tmp_path)
    quantized = tfc.QuantizationAware(epochs=0)(model, context)
    images = context.data.train.take(np.array(context.facts["calibration_indices"]))
    pixels = images.images.astype(np.float32) / 255
    found = ranges(quantized)
    # TF-MOT numbers the layer of the input: quantize_layer_3, say.
    inputs = {
        name.rsplit("_", 1)[1]: value
        for name, value in found.items()
        if name.startswith("quantize_layer")
    }
    assert inputs == {"min": 0, "max": pytest.approx(pixels.max())}
    logits = model.predict(pixels, verbose=0)
    # The weights are rounded already when the logits are seen: a few parts in 255.
    assert found["quant_logits/post_activation_max"] == pytest.approx(
        max(0, logits.max()), rel=0.05
    )
    assert found["quant_logits/post_activation_min"] == pytest.approx(
        min(0, logits.min()), rel=0.05
    )


def test_calibration_alone_changes_no_weight_and_hardly_an_output(tmp_path):
    model = tiny.model()
    quantized = tfc.QuantizationAware(epochs=0)(model, run(tmp_path))
    pixels = tiny.arrays()[0].astype(np.float32) / 255
    plain, rounded = (m.predict(pixels, verbose=0) for m in (model, quantized))
    step = (plain.max() - plain.min()) / 255
    assert np.abs(plain - rounded).max() < 8 * step
    stem = quantized.get_layer("quant_stem_conv")
    kernel = next(w for w in stem.trainable_weights if "kernel" in w.name)
    np.testing.assert_array_equal(
        kernel.numpy(), model.get_layer("stem_conv").kernel.numpy()
    )


def test_calibration_does_not_touch_batch_statistics(tmp_path):
    quantized = tfc.QuantizationAware(epochs=0)(tiny.model(), run(tmp_path))
    norm = quantized.get_layer("quant_stem_norm").layer
    before = norm.moving_mean.numpy()
    calibrate(quantized, np.ones((4, 8, 8, 1), np.float32))
    np.testing.assert_array_equal(before, norm.moving_mean.numpy())


@pytest.mark.parametrize("epochs", [0, 2])
def test_zeros_of_pruning_stay_zero(tmp_path, epochs):
    context = run(tmp_path)
    pruned = tfc.Pruning(final_sparsity=0.75, epochs=0)(tiny.model(), context)
    stage = tfc.QuantizationAware(epochs=epochs, batch_size=12, learning_rate=1e-2)
    quantized = stage(pruned, context)
    for name in ("stem_conv", "block_project", "logits"):
        before = pruned.get_layer(name).kernel.numpy()
        layer = quantized.get_layer(f"quant_{name}")
        kernel = next(w for w in layer.trainable_weights if "/kernel" in w.name)
        assert np.all(kernel.numpy()[before == 0] == 0), name
        if epochs:
            assert np.any(kernel.numpy() != before), name


def test_distilled_while_quantized(tmp_path):
    stage = tfc.QuantizationAware(
        epochs=1, batch_size=12, objective=tfc.Distillation(tiny.model(seed=1))
    )
    quantized = stage(tiny.model(), run(tmp_path))
    assert any("quant_" in layer.name for layer in quantized.layers)


def test_quantizers_are_left_as_they_were(tmp_path):
    from tensorflow_model_optimization.quantization.keras import quantizers

    before = quantizers.MovingAverageQuantizer.__call__
    tfc.QuantizationAware(epochs=0)(tiny.model(), run(tmp_path))
    assert quantizers.MovingAverageQuantizer.__call__ is before
    assert tf.executing_eagerly()


def test_wrong_setting_is_refused_at_once():
    with pytest.raises(InvalidArgumentError, match="num_calibration"):
        tfc.QuantizationAware(num_calibration=0)
