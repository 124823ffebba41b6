import numpy as np
import pytest
import tf_keras as keras
from tf_keras.src.applications.convnext import LayerScale

from tfcompress.rewriting.affine_layers import (
    affine_to_depthwise,
    fold_affine_backward,
    fold_affine_forward,
    fold_norms,
    fold_scale_through_multiply,
    merge_affine,
)

layers = keras.layers


def built(*stack, shape=(6, 6, 3)):
    image = keras.Input(shape, name="image")
    x = image
    for layer in stack:
        x = layer(x)
    return keras.Model(image, x)


def stack_of(model):
    return [(type(layer).__name__, layer.name) for layer in model.layers[1:]]


def relu():
    return layers.ReLU(name="relu")


def scale(name="scale"):
    return layers.Rescaling([0.5, 2.0, -3.0], 0.25, name=name)


def test_affine_layers_in_a_row_become_one(rewritten):
    norm = layers.BatchNormalization(name="norm")
    last = layers.Normalization(mean=1.0, variance=[1.0, 2, 3], name="last")
    model, changes = rewritten(built(relu(), scale(), norm, last), merge_affine)
    assert stack_of(model) == [("ReLU", "relu"), ("Rescaling", "last")]
    assert changes == [("scale", "merged into norm"), ("norm", "merged into last")]


def test_affine_layers_that_something_else_takes_are_not_merged(rewritten):
    image = keras.Input((4, 4, 3), name="image")
    x = scale("first")(image)
    model = keras.Model(image, layers.Add()([scale("second")(x), x]))
    assert rewritten(model, merge_affine)[1] == []


def test_a_norm_behind_its_convolution_is_not_merged(rewritten):
    stack = layers.Conv2D(3, 1), layers.BatchNormalization(), scale()
    assert rewritten(built(*stack), merge_affine)[1] == []


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv2D(3, 3, padding="same", use_bias=False, name="x"), (6, 6, 4)),
        (layers.DepthwiseConv2D(3, name="x"), (6, 6, 3)),
        (layers.Conv2DTranspose(3, 3, 2, name="x"), (6, 6, 4)),
        (layers.Dense(3, name="x"), (4,)),
        (layers.BatchNormalization(name="x"), (6, 6, 3)),
        (layers.BatchNormalization(scale=False, center=False, name="x"), (3,)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_map_goes_into_the_layer_before(rewritten, layer, shape):
    model, changes = rewritten(built(layer, scale(), shape=shape), fold_affine_backward)
    assert stack_of(model) == [(type(layer).__name__, "x")]
    assert changes == [("scale", "folded into x")]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv2DTranspose(3, 3, 2, name="x"), (6, 6, 4)),
        (layers.Dense(3, use_bias=False, name="x"), (4,)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_norm_goes_into_a_layer_of_one_scale(rewritten, layer, shape):
    norm = layers.BatchNormalization(name="norm")
    model, _ = rewritten(built(layer, norm, shape=shape), fold_affine_backward)
    assert stack_of(model) == [(type(layer).__name__, "x")]


def test_a_norm_behind_a_convolution_stays_for_training(rewritten):
    norm = layers.BatchNormalization(name="norm")
    model = built(layers.Conv2D(3, 1), norm)
    assert rewritten(model, fold_affine_backward, fold_affine_forward)[1] == []


def test_a_norm_goes_into_its_convolution_where_that_has_one_scale(rewritten):
    kernel = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="x")
    norm = layers.BatchNormalization(scale=False, name="norm")
    model, changes = rewritten(built(kernel, norm, relu()), fold_norms)
    assert stack_of(model) == [("DepthwiseConv2D", "x"), ("ReLU", "relu")]
    assert changes == [("norm", "folded into x")]


def test_a_norm_behind_something_else_is_not_folded(rewritten):
    stack = layers.Conv2D(3, 1), relu(), layers.BatchNormalization()
    assert rewritten(built(*stack), fold_norms)[1] == []


def test_a_norm_before_keeps_its_statistics(rewritten):
    norm = layers.BatchNormalization(name="norm")
    source = built(norm, scale())
    model, _ = rewritten(source, fold_affine_backward)
    for old, new in zip(norm.get_weights()[2:], model.get_weights()[2:], strict=True):
        assert np.array_equal(old, new)


def test_several_maps_go_into_one_norm(rewritten):
    norm = layers.BatchNormalization(axis=3, name="norm")
    model, _ = rewritten(built(norm, scale(), scale("more")), fold_affine_backward)
    assert stack_of(model) == [("BatchNormalization", "norm")]


def test_the_layer_scale_of_convnext_goes_into_the_dense_layer(rewritten):
    stack = layers.Dense(3, name="dense"), LayerScale(0.1, 3, name="gamma")
    model, _ = rewritten(built(*stack), fold_affine_backward)
    assert stack_of(model) == [("Dense", "dense")]


@pytest.mark.parametrize(
    "before",
    [relu(), layers.Conv2D(1, 1), layers.Conv2D(3, 1, activation="relu")],
)
def test_a_map_that_cannot_go_backward_stays(rewritten, before):
    assert rewritten(built(before, scale()), fold_affine_backward)[1] == []


def test_a_map_does_not_go_into_a_shared_layer(rewritten):
    dense = layers.Dense(3, name="dense")
    stack = dense, scale(), dense, layers.ReLU(), scale("other"), dense
    model = built(*stack, shape=(3,))
    for rewrite in (fold_affine_backward, fold_affine_forward):
        assert rewritten(model, rewrite)[1] == []


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 3, name="x"),
        layers.Conv2D(4, 1, 2, padding="same", use_bias=False, name="x"),
        layers.DepthwiseConv2D(3, name="x"),
        layers.Dense(4, activation="relu", name="x"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize(
    "affine", [scale(), layers.BatchNormalization(name="scale")], ids=lambda v: v.name
)
def test_a_map_goes_into_the_layer_behind(rewritten, layer, affine):
    layer, affine = (type(x).from_config(x.get_config()) for x in (layer, affine))
    if isinstance(layer, layers.Dense):
        layer.activation = keras.activations.linear
    model, changes = rewritten(built(relu(), affine, layer), fold_affine_forward)
    assert stack_of(model) == [("ReLU", "relu"), (type(layer).__name__, "x")]
    assert changes == [("scale", "folded into x")]


def test_a_norm_goes_through_dropout_into_the_classifier(rewritten):
    stack = layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(4, name="x")
    model, _ = rewritten(built(relu(), *stack, shape=(3,)), fold_affine_forward)
    assert [kind for kind, _ in stack_of(model)] == ["ReLU", "Dropout", "Dense"]


@pytest.mark.parametrize(
    "stack",
    [
        (relu(), scale(), layers.Conv2D(4, 3, padding="same")),
        (scale(), layers.Conv2D(4, 3)),
        (relu(), scale(), layers.ReLU()),
    ],
)
def test_a_map_before_padding_or_at_the_input_does_not_go_forward(rewritten, stack):
    assert rewritten(built(*stack), fold_affine_forward)[1] == []


def test_a_factor_goes_forward_where_zeros_are_padded(rewritten):
    stack = relu(), layers.Rescaling(3.0), layers.Conv2D(4, 3, padding="same")
    model, _ = rewritten(built(*stack), fold_affine_forward)
    assert [kind for kind, _ in stack_of(model)] == ["ReLU", "Conv2D"]


def excitation(factor, last):
    image = keras.Input((6, 6, 3), name="image")
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(image)
    gate = factor(layers.ReLU(6.0, name="gate")(gate))
    x = layers.Multiply(name="times")([layers.ReLU(name="relu")(image), gate])
    return keras.Model(image, last(x))


def test_a_factor_goes_through_a_product(rewritten):
    last = layers.Conv2D(4, 3, padding="same", name="conv")
    model = excitation(layers.Rescaling(1 / 6, name="sixth"), last)
    result, changes = rewritten(model, fold_scale_through_multiply)
    assert "sixth" not in [layer.name for layer in result.layers]
    assert changes == [("sixth", "folded into conv")]


@pytest.mark.parametrize(
    ("factor", "last"),
    [
        (layers.Rescaling(1 / 6, 0.5), layers.Conv2D(4, 1)),
        (scale(), layers.Conv2D(4, 1)),
        (layers.Rescaling(1 / 6), layers.ReLU()),
    ],
)
def test_what_is_no_plain_factor_stays_before_the_product(rewritten, factor, last):
    model = excitation(factor, last)
    assert rewritten(model, fold_scale_through_multiply)[1] == []


def test_a_square_s_factor_stays(rewritten):
    image = keras.Input((6, 6, 3), name="image")
    x = layers.Rescaling(0.5)(image)
    x = layers.Conv2D(4, 1)(layers.Multiply()([x, x]))
    assert rewritten(keras.Model(image, x), fold_scale_through_multiply)[1] == []


@pytest.mark.parametrize(
    "affine",
    [
        layers.BatchNormalization(axis=3, name="x"),
        layers.Rescaling(0.5, 1.0, name="x"),
        layers.Normalization(mean=[1.0, 2, 3], variance=2.0, name="x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_lone_map_becomes_a_depthwise_convolution(rewritten, affine):
    model, changes = rewritten(built(relu(), affine), affine_to_depthwise)
    assert stack_of(model) == [("ReLU", "relu"), ("DepthwiseConv2D", "x")]
    assert changes == [("x", "rewritten to DepthwiseConv2D 1x1")]
    is_norm = isinstance(affine, layers.BatchNormalization)
    assert len(model.trainable_weights) == (2 if is_norm else 0)


def test_a_frozen_norm_stays_frozen(rewritten):
    norm = layers.BatchNormalization(trainable=False, name="x")
    model, _ = rewritten(built(relu(), norm), affine_to_depthwise)
    assert model.trainable_weights == []


@pytest.mark.parametrize("shape", [(3,), (5, 3), (None, 3), (2, 2, 2, 3)])
def test_what_is_no_image_goes_through_a_reshape(rewritten, shape):
    stack = relu(), layers.BatchNormalization(name="x")
    model, changes = rewritten(built(*stack, shape=shape), affine_to_depthwise)
    assert model.output_shape == (None, *shape)
    assert stack_of(model)[1:] == [
        ("Reshape", "x_as_image"),
        ("DepthwiseConv2D", "x"),
        ("Reshape", "x_reshaped"),
    ]
    assert changes == [("x", "rewritten to DepthwiseConv2D 1x1 between Reshapes")]


def test_the_norm_of_a_convolution_stays(rewritten):
    stack = layers.Conv2D(4, 3), layers.BatchNormalization()
    assert rewritten(built(*stack), affine_to_depthwise)[1] == []


def test_channels_spread_from_one_stay(rewritten):
    model = built(relu(), scale(), shape=(6, 6, 1))
    assert model.output_shape == (None, 6, 6, 3)
    assert rewritten(model, affine_to_depthwise)[1] == []


def test_a_shared_map_becomes_a_layer_for_each_call(rewritten):
    norm = layers.BatchNormalization(name="norm")
    model, _ = rewritten(built(norm, relu(), norm), affine_to_depthwise)
    kinds = [kind for kind, _ in stack_of(model)]
    assert kinds == ["DepthwiseConv2D", "ReLU", "DepthwiseConv2D"]


def test_maps_that_take_each_other_s_output_become_layers(rewritten):
    vector = keras.Input((3,), name="vector")
    first = layers.BatchNormalization(name="first")(vector)
    second = layers.BatchNormalization(name="second")(first)
    model = keras.Model(vector, layers.Add()([first, second]))
    result, changes = rewritten(model, affine_to_depthwise)
    assert [change.layer for change in changes] == ["first", "second"]
    assert [kind for kind, _ in stack_of(result)].count("DepthwiseConv2D") == 2


def test_a_call_s_options_do_not_outlive_the_layer(rewritten):
    image = keras.Input((4, 4, 3), name="image")
    norm = layers.BatchNormalization()(scale()(image), training=False)
    model, _ = rewritten(keras.Model(image, norm), merge_affine, affine_to_depthwise)
    assert [kind for kind, _ in stack_of(model)] == ["DepthwiseConv2D"]
