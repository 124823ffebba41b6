import json

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate

layers = keras.layers
NUM_IMAGES = 12


def quantized(model, images):
    result = fake_quantize(model)
    calibrate(result, images)
    return result


@pytest.fixture
def data():
    return tiny.data()


@pytest.fixture
def images(data):
    return data.calibration(NUM_IMAGES, seed=0).images


def decibels(exact, rounded):
    return 10 * np.log10(np.sum(exact**2) / np.sum((rounded - exact) ** 2))


def test_the_last_layer_differs_as_the_models_do(data, images):
    model = tiny.model()
    rounded = quantized(model, images)
    errors = tfc.quantization_errors(rounded, data, NUM_IMAGES)
    exact, found = (m(images, training=False).numpy() for m in (model, rounded))
    row = errors.rows[-1]
    assert (row.name, row.type) == ("logits", "Dense")
    assert row.sqnr_db == pytest.approx(decibels(exact, found), abs=0.01)
    assert row.mean_error == pytest.approx((found - exact).mean(), abs=1e-6)
    cosine = np.sum(exact * found) / np.sqrt(np.sum(exact**2) * np.sum(found**2))
    assert row.cosine == pytest.approx(cosine, abs=1e-6)
    assert errors.num_images == NUM_IMAGES


def test_the_input_is_rounded_to_steps_of_its_range(data, images):
    errors = tfc.quantization_errors(quantized(tiny.model(), images), data, NUM_IMAGES)
    row = errors.rows[0]
    assert (row.name, row.type, row.low) == ("image", "InputLayer", 0)
    steps = np.round(images / row.high * 255).clip(0, 255) * row.high / 255
    assert row.own_sqnr_db == row.sqnr_db
    assert row.sqnr_db == pytest.approx(decibels(images, steps), abs=0.01)


def test_own_noise_is_that_of_one_layer(data, images):
    rounded = quantized(tiny.model(), images)
    # The last layer alone is spoilt: the others' figures stay, and so does its input.
    before = tfc.quantization_errors(rounded, data, NUM_IMAGES)
    rounded.layers[1].quantizer_vars["max"].assign(0.1)
    after = tfc.quantization_errors(rounded, data, NUM_IMAGES)
    assert after.rows[0].own_sqnr_db < 10 < before.rows[0].own_sqnr_db
    for old, new in zip(before.rows[1:], after.rows[1:], strict=True):
        assert new.own_sqnr_db == pytest.approx(old.own_sqnr_db)
        assert new.sqnr_db < old.sqnr_db
    assert after.worst(1) == (after.rows[0],)


def test_a_narrow_range_is_told(data, images):
    rounded = quantized(tiny.model(), images)
    rounded.layers[1].quantizer_vars["max"].assign(0.3)
    row = tfc.quantization_errors(rounded, data, NUM_IMAGES).rows[0]
    half_step = 0.3 / 255 / 2
    assert row.clipped == pytest.approx(np.mean(images > 0.3 + half_step))
    assert row.clipped > 0.01
    assert row.hint.startswith("range too narrow")


def test_a_wide_range_is_told(data, images):
    rounded = quantized(tiny.model(), images)
    rounded.layers[1].quantizer_vars["max"].assign(1000.0)
    row = tfc.quantization_errors(rounded, data, NUM_IMAGES).rows[0]
    assert row.clipped == 0
    assert row.hint.startswith("few steps")


def pointwise(scales):
    """A 1x1 convolution that multiplies the image, once for each channel."""
    image = layers.Input((8, 8, 1), name="image")
    conv = layers.Conv2D(len(scales), 1, use_bias=False, name="conv")
    x = layers.GlobalAveragePooling2D(name="pool")(conv(image))
    model = keras.Model(image, layers.Dense(3, name="logits")(x))
    conv.kernel.assign(np.reshape(scales, (1, 1, 1, -1)))
    return model


@pytest.mark.parametrize(
    ("scales", "hint", "dead"),
    [
        ([1.0, 0.9, 0.8, 1.1], "", 0),
        ([1.0, 0.9, 0.0, 0.0], "2 channels are always 0", 2),
        ([1.0, 0.9, 0.001, 0.002], "2 channels are too small", 0),
    ],
)
def test_channels_are_told(data, images, scales, hint, dead):
    rounded = quantized(pointwise(scales), images)
    errors = tfc.quantization_errors(rounded, data, NUM_IMAGES)
    row = next(row for row in errors.rows if row.name == "conv")
    assert row.hint.startswith(hint) and bool(row.hint) == bool(hint)
    assert row.dead_channels == dead


def test_fused_layers_have_no_range_of_their_own(data, images):
    errors = tfc.quantization_errors(quantized(tiny.model(), images), data, NUM_IMAGES)
    by_name = {row.name: row for row in errors.rows}
    assert by_name["stem_conv"].low is None
    assert by_name["stem_relu"].low == 0


def test_json_and_text(data, images):
    errors = tfc.quantization_errors(quantized(tiny.model(), images), data, NUM_IMAGES)
    values = json.loads(errors.to_json())
    assert [row["name"] for row in values["rows"]] == [r.name for r in errors.rows]
    text = str(errors)
    assert all(row.name in text for row in errors.worst())
    worst, columns = errors.worst()[0], text.splitlines()[1]
    assert f"{worst.cosine:.4f}" in columns and f"{worst.mean_error:.2g}" in columns


def test_the_picture_has_a_bar_for_each_layer(data, images, tmp_path):
    errors = tfc.quantization_errors(quantized(tiny.model(), images), data, NUM_IMAGES)
    figure = tfc.plot_quantization_errors(errors)
    (axes,) = figure.axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [min(row.own_sqnr_db, 80) for row in errors.rows]
    (line,) = axes.lines
    assert list(line.get_xdata()) == [min(row.sqnr_db, 80) for row in errors.rows]


def test_what_cannot_be_measured(data, images):
    with pytest.raises(ModelError, match="is not quantized"):
        tfc.quantization_errors(tiny.model(), data)
    with pytest.raises(InvalidArgumentError, match="num_images=0; expected 1 or more"):
        tfc.quantization_errors(quantized(tiny.model(), images), data, 0)
