import numpy as np
import pytest
import tf_keras as keras

from tfcompress.models import blocks
from tfcompress.profiling.keras_model import profile_keras_model

C, F, SIDE = 16, 24, 8


def built(block, *settings):
    """Returns a model of one block that is given 8x8 pixels of 16 channels."""
    x = keras.Input((SIDE, SIDE, C))
    return keras.Model(x, block(x, *settings))


def names(model):
    return [layer.name for layer in model.layers[1:]]


HALF = (SIDE // 2) ** 2
FULL = SIDE**2
SQUEEZE = blocks.SqueezeExcite(4)
SQUEEZE_PARAMS = 2 * 4 * 48 + 4 + 48


@pytest.mark.parametrize(
    ("block", "settings", "params", "macs"),
    [
        (
            blocks.standard,
            (F, 3, 2, "a"),
            9 * C * F + 4 * F,
            HALF * 9 * C * F,
        ),
        (
            blocks.conv_norm,
            (F, (5, 3), 1, "a", True),
            15 * C * F + F + 4 * F,
            FULL * 15 * C * F,
        ),
        (
            blocks.depthwise_norm,
            (2, "a", 5),
            25 * C + 4 * C,
            HALF * 25 * C,
        ),
        (
            blocks.depthwise_separable,
            (F, 2, "a"),
            9 * C + 4 * C + C * F + 4 * F,
            HALF * (9 * C + C * F),
        ),
        (
            blocks.depthwise_separable,
            (F, 1, "a", "relu", True),
            9 * C + 4 * C + C * F + 4 * F + C + F,
            FULL * (9 * C + C * F),
        ),
        (
            blocks.bottleneck,
            (F, 2, "a", True),
            F * C + 9 * F * F + 4 * F * F + 24 * F + 6 * F,
            HALF * (4 * C * F + 13 * F * F),
        ),
        (
            blocks.squeeze_excite,
            (blocks.SqueezeExcite(4), "a"),
            2 * C * 4 + C + 4,
            2 * C * 4,
        ),
        (
            blocks.inverted_residual,
            (blocks.InvertedResidual(48, F, 2, 5), "a"),
            C * 48 + 25 * 48 + 48 * F + 8 * 48 + 4 * F,
            HALF * (4 * C * 48 + 25 * 48 + 48 * F),
        ),
        (
            blocks.inverted_residual,
            (blocks.InvertedResidual(C, F), "a"),
            9 * C + C * F + 4 * C + 4 * F,
            FULL * (9 * C + C * F),
        ),
        (
            blocks.inverted_residual,
            (blocks.InvertedResidual(48, F, squeeze_excite=SQUEEZE), "a"),
            C * 48 + 9 * 48 + 48 * F + 8 * 48 + 4 * F + SQUEEZE_PARAMS,
            FULL * (C * 48 + 9 * 48 + 48 * F) + 2 * 4 * 48,
        ),
        (blocks.logits, (3, 0.0), C * 3 + 3, C * 3),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_cost_is_what_the_docstring_says(block, settings, params, macs):
    totals = profile_keras_model(built(block, *settings)).totals
    assert (totals.params, totals.macs) == (params, macs)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("relu", [0.0, 0.0, 0.0, 1.0, 8.0]),
        ("relu6", [0.0, 0.0, 0.0, 1.0, 6.0]),
        ("hard_sigmoid", [0.0, 1 / 3, 0.5, 2 / 3, 1.0]),
        ("hard_swish", [0.0, -1 / 3, 0.0, 2 / 3, 8.0]),
        ("sigmoid", [1 / (1 + np.exp(-x)) for x in (-8, -1, 0, 1, 8)]),
        ("swish", [x / (1 + np.exp(-x)) for x in (-8, -1, 0, 1, 8)]),
    ],
)
def test_activations(kind, expected):
    x = keras.Input((5,))
    model = keras.Model(x, blocks.activation(x, "a", kind))
    values = model(np.array([[-8.0, -1.0, 0.0, 1.0, 8.0]], np.float32))
    np.testing.assert_allclose(values[0], expected, atol=1e-6)
    assert names(model) == [f"a_{'relu' if kind == 'relu6' else kind}"]


@pytest.mark.parametrize(
    ("filters", "strides", "adds"), [(16, 1, True), (16, 2, False), (24, 1, False)]
)
def test_inverted_residual_adds_its_input_only_when_the_shape_is_kept(
    filters, strides, adds
):
    settings = blocks.InvertedResidual(32, filters, strides)
    assert ("a_add" in names(built(blocks.inverted_residual, settings, "a"))) == adds


def test_squeeze_excite_scales_each_channel_by_its_gate():
    model = built(blocks.squeeze_excite, SQUEEZE, "a")
    last = model.get_layer("a_expand_conv")
    gates = np.linspace(-4, 4, C)
    last.set_weights([np.zeros(last.kernel.shape), gates])
    x = np.random.default_rng(0).normal(size=(2, SIDE, SIDE, C)).astype(np.float32)
    np.testing.assert_allclose(
        model(x), x * np.clip(gates / 6 + 0.5, 0, 1), rtol=1e-5, atol=1e-6
    )


def test_logits_drops_only_when_asked():
    assert names(built(blocks.logits, 3, 0.0)) == ["pool", "logits"]
    assert built(blocks.logits, 3, 0.5).get_layer("dropout").rate == 0.5
