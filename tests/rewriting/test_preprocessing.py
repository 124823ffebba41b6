import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.preprocessing import (
    float_inputs,
    fold_preprocessing,
    is_preprocessing,
)

layers = keras.layers


def built(*stack, dtype=None):
    image = keras.Input((6, 6, 3), name="image", dtype=dtype)
    x = image
    for layer in stack:
        x = layer(x)
    return keras.Model(image, x)


def test_integer_inputs_become_floats(rewritten):
    model = built(layers.Rescaling(1 / 255, -1.0), dtype="uint8")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), np.uint8)
    result, changes = rewritten(model, float_inputs, images=pixels)
    assert result.input.dtype == "float32" and result.input.name == "image"
    assert changes == [("image", "made to take float32, not uint8")]
    assert rewritten(built(layers.ReLU()), float_inputs)[1] == []


def test_what_lies_behind_the_input_or_augmentation_is_preprocessing():
    graph = Graph.from_model(
        built(layers.RandomFlip(), layers.Rescaling(2.0), layers.Conv2D(2, 1))
    )
    assert [is_preprocessing(node) for node in graph.nodes[1:]] == [True, True, False]


@pytest.mark.parametrize(
    "stack",
    [
        (layers.Rescaling(0.5, -1.0), layers.Conv2D(4, 3, name="conv")),
        (layers.Rescaling(0.5), layers.Conv2D(4, 3, padding="same", name="conv")),
        (
            layers.Rescaling(0.5),
            layers.ZeroPadding2D(),
            layers.Conv2D(4, 3, 2, name="conv"),
        ),
        (
            layers.Rescaling(0.5),
            layers.Normalization(mean=[1.0, 2, 3], variance=[1.0, 4, 9]),
            layers.Conv2D(4, 3, name="conv"),
        ),
    ],
)
def test_preprocessing_is_folded_into_the_first_convolution(rewritten, stack):
    model, changes = rewritten(built(*stack), fold_preprocessing)
    kinds = {type(layer) for layer in model.layers}
    assert not kinds & {layers.Rescaling, layers.Normalization}
    assert {change.text for change in changes} == {"folded into conv"}


@pytest.mark.parametrize(
    "stack",
    [
        (layers.Rescaling(0.5, -1.0), layers.Conv2D(4, 3, padding="same")),
        (layers.Rescaling(0.5, 1.0), layers.ZeroPadding2D(), layers.Conv2D(4, 3)),
        (layers.Rescaling(0.5), layers.ReLU()),
        (layers.Rescaling(0.5),),
    ],
)
def test_preprocessing_that_cannot_be_folded_is_an_error(stack):
    graph = Graph.from_model(built(*stack))
    with pytest.raises(InvalidArgumentError, match="cannot be folded"):
        fold_preprocessing(graph)


def test_a_model_without_preprocessing_stays(rewritten):
    assert rewritten(built(layers.Conv2D(2, 1)), fold_preprocessing)[1] == []
