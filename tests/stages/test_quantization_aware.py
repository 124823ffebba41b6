import int8_file
import numpy as np
import pytest
import tf_keras as keras
import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.layers.hard_swish import HardSwish


def run(tmp_path):
    return tfc.Run(data=tiny.data(), workdir=tmp_path)


def test_calibration_takes_ranges_from_the_images(tmp_path):
    context = run(tmp_path)
    quantized = tfc.QuantizationAware(epochs=0)(tiny.model(), context)
    images = context.data.train.take(np.array(context.facts["calibration_indices"]))
    pixels = images.images.astype(np.float32) / 255
    bounds = quantized.get_layer("quantize_input").quantizer_vars
    assert float(bounds["min"]) == 0.0
    assert float(bounds["max"]) == pytest.approx(pixels.max())


def test_operators_are_those_asked_for(tmp_path):
    image = keras.Input((8, 8, 1), name="image")
    x = HardSwish(name="swish")(keras.layers.Conv2D(4, 3, name="conv")(image))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(3)(x))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x))
    found = {}
    for operators in ("fast", "builtin"):
        stage = tfc.QuantizationAware(epochs=0, operators=operators)
        quantized = stage(model, run(tmp_path))
        audit = tfc.export_tflite(quantized, tmp_path / "model.tflite").audit
        found[operators] = {*audit.ops} - {"CONV_2D", "RESHAPE", "FULLY_CONNECTED"}
    assert found == {
        "fast": {"ADD", "MUL", "DEPTHWISE_CONV_2D"},
        "builtin": {"HARD_SWISH", "AVERAGE_POOL_2D"},
    }


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


def test_a_channel_that_pruning_leaves_without_weights_keeps_its_bias(tmp_path):
    model, context = tiny.model(), run(tmp_path)
    stem, norm, logits = map(model.get_layer, ("stem_conv", "stem_norm", "logits"))
    stem.kernel.assign(stem.kernel.numpy() * ([0] + 7 * [1]))
    norm.beta.assign([3] + 7 * [0])
    logits.bias.assign([0, 0, 9])
    logits.kernel.assign(0 * logits.kernel)
    stage = tfc.QuantizationAware(epochs=1, batch_size=12, learning_rate=1e-3)
    quantized = stage(model, context)
    tfc.export_tflite(quantized, tmp_path / "model.tflite")
    images = context.data.test.images[:8].astype(np.float32) / 255
    steps = int8_file.steps_off(tmp_path / "model.tflite", quantized, images)
    assert steps <= 1.01


def test_a_gamma_of_zero_can_be_trained(tmp_path):
    model = tiny.model()
    norm = model.get_layer("block_norm")
    norm.gamma.assign(np.zeros(8))
    norm.beta.assign(np.ones(8))  # The ReLU behind it lets gradients through.
    stage = tfc.QuantizationAware(epochs=1, batch_size=12, learning_rate=1e-2)
    quantized = stage(model, run(tmp_path))
    # Twelve batches, each of which Adam moves by up to the learning rate.
    gamma = quantized.get_layer("block_norm").gamma.numpy()
    assert np.abs(gamma).min() > 1e-3
    depthwise = quantized.get_layer("quant_block_depthwise").trainable_weights
    assert np.all(depthwise[0].numpy())


def test_zeros_of_a_layer_in_float_stay_zero(tmp_path):
    context = run(tmp_path)
    pruned = tfc.Pruning(final_sparsity=0.75, epochs=0)(tiny.model(), context)
    stage = tfc.QuantizationAware(
        epochs=1, batch_size=12, learning_rate=1e-2, keep_float=("block_project",)
    )
    layer = stage(pruned, context).get_layer("quant_block_project")
    kernel = next(w for w in layer.trainable_weights if "/kernel" in w.name).numpy()
    before = pruned.get_layer("block_project").kernel.numpy()
    assert np.all(kernel[before == 0] == 0) and np.any(kernel != before)


def test_tensorboard_shows_kernels_and_ranges_after_each_epoch(tmp_path):
    context = run(tmp_path)
    tfc.QuantizationAware(epochs=2, batch_size=36)(tiny.model(), context)
    folder = tmp_path / "tensorboard" / "QuantizationAware" / "quantization"
    events = EventAccumulator(str(folder)).Reload()
    tags = events.Tags()["tensors"]
    assert {tag for tag in tags if tag.startswith("kernels/")} == {
        *("kernels/stem_conv", "kernels/block_depthwise"),
        *("kernels/block_project", "kernels/logits"),
    }
    assert [event.step for event in events.Tensors("clipped/stem_relu")] == [1, 2]


def test_distilled_while_quantized(tmp_path):
    student, teacher = tiny.student_and_teacher()
    context = run(tmp_path)
    losses = ((tfc.LogitMatching(), 1.0),)
    objective = tfc.Distillation(teacher, losses=losses, hard_weight=0.0)
    images, _ = next(iter(context.data.batches("test")))

    def difference(**options):
        result = tfc.QuantizationAware(batch_size=12, **options)(student, context)
        assert any("quant_" in layer.name for layer in result.layers)
        logits = result(images, training=False), teacher(images, training=False)
        return np.square(np.subtract(*logits)).mean()

    taught = difference(epochs=3, learning_rate=0.1, objective=objective)
    assert taught < difference(epochs=0) / 4


def test_a_layer_without_an_int8_operator_is_named_before_anything_is_trained():
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.LayerNormalization(name="norm")(image)
    model = keras.Model(image, keras.layers.Flatten(name="flat")(x), name="net")
    with pytest.raises(ModelError, match=r"'norm' of 'net'.*keep_float=\('norm',\)"):
        tfc.QuantizationAware().check(model)
    tfc.QuantizationAware(keep_float=("nor*",)).check(model)


def test_a_compared_layer_that_becomes_part_of_another_is_missed_at_once():
    def check(layer, **options):
        losses = ((tfc.FeatureDistillation(layer, "any"), 1.0),)
        objective = tfc.Distillation("teacher", losses=losses)
        stage = tfc.QuantizationAware(objective=objective, **options)
        stage.check(tiny.model())

    check("stem_norm")
    check("stem_relu", per_channel=False)
    with pytest.raises(ModelError, match=r"'stem_norm' of 'tiny' becomes .* next to"):
        check("stem_norm", per_channel=False)


def test_a_quantized_model_is_not_quantized_again(tmp_path):
    context = run(tmp_path)
    quantized = tfc.QuantizationAware(epochs=0)(tiny.model(), context)
    with pytest.raises(ModelError, match="quantized already"):
        tfc.QuantizationAware(epochs=0)(quantized, context)


def test_a_mean_teacher_is_refused_at_once():
    with pytest.raises(InvalidArgumentError, match=r"objective=.* of a float teacher"):
        tfc.QuantizationAware(objective=tfc.Distillation(tfc.MeanTeacher()))


def test_wrong_setting_is_refused_at_once():
    with pytest.raises(InvalidArgumentError, match="keep_float='norm' must be"):
        tfc.QuantizationAware(keep_float="norm")
    with pytest.raises(InvalidArgumentError, match="calibration='mse' must be"):
        tfc.QuantizationAware(calibration="mse")
    with pytest.raises(InvalidArgumentError, match="preprocessing"):
        tfc.QuantizationAware(preprocessing="drop")
    with pytest.raises(InvalidArgumentError, match="operators"):
        tfc.QuantizationAware(operators="slow")


def test_a_pattern_that_matches_nothing_is_refused(tmp_path):
    stage = tfc.QuantizationAware(epochs=0, keep_float=("odd*",))
    with pytest.raises(InvalidArgumentError, match=r"no layer .* is called 'odd\*'"):
        stage(tiny.model(), run(tmp_path))


def test_a_model_of_two_inputs_is_refused_in_one_line(tmp_path):
    one, two = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    model = keras.Model([one, two], keras.layers.Flatten()(one + two))
    with pytest.raises(ModelError, match="inputs of shapes"):
        tfc.QuantizationAware(epochs=0)(tfc.load_model(model), run(tmp_path))


@pytest.mark.parametrize(
    "stage",
    [
        tfc.Training(epochs=1),
        tfc.LayerPruning(num_blocks=1),
        tfc.SparsityTraining(epochs=1),
        tfc.ChannelPruning(epochs=1),
    ],
    ids=lambda stage: type(stage).__name__,
)
def test_no_other_stage_takes_a_quantized_model(stage, tmp_path):
    context = run(tmp_path)
    quantized = tfc.QuantizationAware(epochs=0)(tiny.model(), context)
    with pytest.raises(ModelError, match="quantized already"):
        stage(quantized, context)
