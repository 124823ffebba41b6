import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.preprocessing import (
    float_inputs,
    fold_preprocessing,
    input_affine,
    is_preprocessing,
    remove_preprocessing,
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


def test_the_input_s_affine_is_that_of_all_its_layers():
    norm = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 4.0, 0.25])
    conv, late = layers.Conv2D(3, 1), layers.Rescaling(9.0)
    model = built(layers.Rescaling(2.0, 1.0), layers.RandomFlip(), norm, conv, late)
    affine = input_affine(Graph.from_model(model))
    # (2 x + 1 - mean) / deviation, with deviations 2, 2 and 0.5
    np.testing.assert_allclose(affine.scale, [1.0, 1.0, 4.0])
    np.testing.assert_allclose(affine.offset, [0.0, -0.5, -4.0])


def test_a_batch_normalization_is_not_preprocessing():
    model = built(layers.BatchNormalization(), layers.Rescaling(2.0))
    assert input_affine(Graph.from_model(model)) is None


def test_an_input_that_is_taken_twice_has_no_affine():
    image = keras.Input((4,), name="image")
    model = keras.Model(image, layers.Add()([layers.Rescaling(2.0)(image), image]))
    assert input_affine(Graph.from_model(model)) is None


def test_each_input_has_its_own_affine():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model([a, b], layers.Add()([layers.Rescaling(2.0)(a), b]))
    graph = Graph.from_model(model)
    assert input_affine(graph, 0).scale == 2.0 and input_affine(graph, 1) is None


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


def test_the_model_without_preprocessing_takes_what_it_made(randomize):
    stack = (layers.Rescaling(0.5), layers.Rescaling(2, 3), layers.Conv2D(4, 3))
    model = built(*stack)
    randomize(model)
    graph = Graph.from_model(model)
    affine = input_affine(graph)
    # 2 (x / 2) + 3
    assert (affine.scale, affine.offset) == (1.0, 3.0)
    assert len(remove_preprocessing(graph)) == 2
    pixels = np.random.default_rng(0).uniform(0, 9, (2, 6, 6, 3)).astype("float32")
    result = graph.to_model()(pixels + 3)
    np.testing.assert_allclose(result, model(pixels), atol=1e-4)


def test_preprocessing_by_channel_cannot_go_into_the_input_s_scale():
    graph = Graph.from_model(built(layers.Rescaling([1.0, 2.0, 3.0])))
    with pytest.raises(InvalidArgumentError, match="each channel"):
        remove_preprocessing(graph)


def test_a_model_without_preprocessing_stays(rewritten):
    for rewrite in (fold_preprocessing, remove_preprocessing):
        assert rewritten(built(layers.Conv2D(2, 1)), rewrite)[1] == []
