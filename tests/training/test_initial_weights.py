import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import ModelError
from tfcompress.training.initial_weights import copy_weights

layers = keras.layers


def test_all_but_the_head_is_copied_and_the_head_is_named():
    source, target = tiny.model(num_classes=4, seed=1), tiny.model(seed=2)
    head = target.get_layer("logits").get_weights()
    assert copy_weights(source, target, "old.keras") == ["logits"]
    for layer in target.layers:
        other = source.get_layer(layer.name).get_weights()
        expected = head if layer.name == "logits" else other
        for weight, value in zip(layer.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(weight, value)


def test_equal_architectures_leave_nothing_new():
    source, target = tiny.model(seed=1), tiny.model(seed=2)
    assert copy_weights(source, target, "old.keras") == []
    for one, two in zip(source.get_weights(), target.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def chain(*units, prefix="dense"):
    """Dense layers of these widths, on three inputs."""
    x = inputs = layers.Input((3,), name="x")
    for place, width in enumerate(units):
        x = layers.Dense(width, name=f"{prefix}_{place}")(x)
    return keras.Model(inputs, x, name="chain")


def test_several_last_layers_may_differ():
    assert copy_weights(chain(4, 5, 6), chain(4, 7, 2), "a") == ["dense_1", "dense_2"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            chain(5, 6, prefix="other"),
            r"a does not fit 'chain': expected 'dense_0' with \[\(3, 4\), \(4,\)\], it "
            "has no layer of that name; no layer fits",
        ),
        (
            keras.Model(
                (x := layers.Input((3,), name="x")),
                layers.Dense(6, name="dense_1")(
                    layers.Dropout(0.1)(layers.Dense(4, name="first")(x))
                ),
            ),
            r"expected 'dense_0' with \[\(3, 4\), \(4,\)\], it has no layer of that "
            "name; only the layers behind 'dense_1' may differ",
        ),
        (chain(8, 6), r"'dense_0' with \[\(3, 8\), \(8,\)\]; no layer fits"),
    ],
)
def test_what_differs_elsewhere_is_refused_and_changes_nothing(source, message):
    target = chain(4, 6)
    before = target.get_weights()
    with pytest.raises(ModelError, match=message):
        copy_weights(source, target, "a")
    for old, new in zip(before, target.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
