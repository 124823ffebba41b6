import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.rewriting.keras_errors import first_line


class Failing(keras.layers.Layer):
    def call(self, inputs):
        raise ValueError("no channels")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "ValueError"),
        ("\n what happened:\nand more", "what happened"),
        (
            "Exception encountered when calling layer a.",
            "Exception encountered when calling layer a",
        ),
    ],
)
def test_the_first_line_tells(text, line):
    assert first_line(ValueError(text)) == line


@pytest.mark.parametrize("traced", [True, False])
def test_what_keras_says_below_the_layer(traced):
    layer = Failing(name="mine")
    with pytest.raises(ValueError, match="no channels") as caught:
        if traced:
            keras.Model(image := keras.Input((2,)), layer(image))
        else:
            layer(tf.ones((1, 2)))
    line = first_line(caught.value)
    assert "calling layer" in line
    assert "mine" in line
    assert line.endswith("no channels")


def test_what_keras_says_below_a_config():
    with pytest.raises(TypeError) as caught:
        keras.layers.Dense.from_config({"name": "a"})
    assert first_line(caught.value).startswith("Dense.__init__() missing 1 required")
