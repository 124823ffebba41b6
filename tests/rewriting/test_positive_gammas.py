import numpy as np
import tf_keras as keras
import tiny

from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.positive_gammas import make_gammas_positive


def turned(model, names):
    graph = Graph.from_model(model)
    changes = make_gammas_positive(graph, names)
    return graph.to_model(), [change.layer for change in changes]


def with_signs():
    """The tiny net with every second gamma below 0, and statistics of its own."""
    model = tiny.model()
    for name in ("stem_norm", "block_norm"):
        norm = model.get_layer(name)
        norm.gamma.assign([1.5, -0.5] * 4)
        norm.beta.assign(np.linspace(-1, 1, 8))
        norm.moving_mean.assign(np.linspace(-0.2, 0.3, 8))
        norm.moving_variance.assign(np.linspace(0.5, 2, 8))
    return model


def test_signs_go_into_the_kernel_and_outputs_stay():
    model = with_signs()
    result, changed = turned(model, ["stem_conv", "block_depthwise", "logits"])
    assert changed == ["stem_conv", "block_depthwise"]
    images = tiny.arrays()[0][:8] / 255
    np.testing.assert_allclose(result(images), model(images), atol=1e-5)
    for name, kernel in (("stem", "stem_conv"), ("block", "block_depthwise")):
        np.testing.assert_array_equal(
            result.get_layer(f"{name}_norm").gamma, [1.5, 0.5] * 4
        )
        old, new = (m.get_layer(kernel).get_weights()[0] for m in (model, result))
        signs = [1, -1] * 4
        expected = old * (np.array(signs)[:, None] if name == "block" else signs)
        np.testing.assert_array_equal(new, expected)


def test_gammas_are_held_above_zero_from_then_on():
    result, changed = turned(tiny.model(), ["stem_conv"])
    assert changed == []
    constraint = result.get_layer("stem_norm").gamma.constraint
    np.testing.assert_array_equal(constraint(np.array([-1.0, 2.0], "f4")), [0, 2])
    assert result.get_layer("block_norm").gamma.constraint is None


def test_a_kernel_that_others_take_too_is_left_alone():
    image = keras.Input((4, 4, 2))
    conv = keras.layers.Conv2D(2, 1, name="conv")(image)
    norm = keras.layers.BatchNormalization(name="norm")
    model = keras.Model(image, keras.layers.Add()([conv, norm(conv)]))
    norm.gamma.assign([-1.0, 1.0])
    result, changed = turned(model, ["conv"])
    assert changed == []
    np.testing.assert_array_equal(result.get_layer("norm").gamma, [-1.0, 1.0])
