import numpy as np
import pytest
import tf_keras as keras

from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.rewriting.affine import Affine
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.linear import (
    can_change,
    fold_into,
    follows_linear,
    is_linear,
    lone_affine,
    num_inputs,
    num_outputs,
    pads,
    scale_inputs,
    scale_outputs,
)

layers = keras.layers
KINDS = {
    "Conv1D": (layers.Conv1D(6, 2), (5, 4)),
    "Conv2D": (layers.Conv2D(6, 3, 2), (6, 6, 4)),
    "Conv2D without bias": (layers.Conv2D(6, 3, use_bias=False), (6, 6, 4)),
    "Conv2D groups": (layers.Conv2D(6, 3, groups=2), (6, 6, 4)),
    "Conv2D dilated": (layers.Conv2D(6, 2, dilation_rate=2), (6, 6, 4)),
    "GroupedConv2D": (GroupedConv2D(6, 1, groups=2, use_bias=False), (6, 6, 4)),
    "Conv3D": (layers.Conv3D(6, 2), (3, 3, 3, 4)),
    "DepthwiseConv1D": (layers.DepthwiseConv1D(2, depth_multiplier=2), (5, 4)),
    "DepthwiseConv2D": (layers.DepthwiseConv2D(3, depth_multiplier=3), (6, 6, 4)),
    "Dense": (layers.Dense(6), (4,)),
    "Dense of maps": (layers.Dense(6, use_bias=False), (3, 3, 4)),
    "Conv1DTranspose": (layers.Conv1DTranspose(6, 3, 2), (5, 4)),
    "Conv2DTranspose": (layers.Conv2DTranspose(6, 3, 2), (6, 6, 4)),
}


def graph_of(layer, shape):
    image = keras.Input(shape, name="image")
    layer = type(layer).from_config(layer.get_config())
    return Graph.from_model(keras.Model(image, layer(image)))


def values(number, seed):
    return np.random.default_rng(seed).uniform(0.5, 2, number)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_scaled(randomize, kind):
    layer, shape = KINDS[kind]
    graph = graph_of(layer, shape)
    model = graph.to_model()
    randomize(model)
    graph.nodes[1].spec.weights = model.get_weights()
    number = num_outputs(graph.nodes[1])
    assert number == model.output_shape[-1]
    scale, offset = values(number, 0), values(number, 1)
    scale_outputs(graph.nodes[1], Affine(scale, offset))
    pixels = np.random.default_rng(2).uniform(-2, 2, (2, *shape)).astype("float32")
    expected = model(pixels) * scale + offset
    np.testing.assert_allclose(graph.to_model()(pixels), expected, atol=3e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_scaled(randomize, kind):
    layer, shape = KINDS[kind]
    graph = graph_of(layer, shape)
    model = graph.to_model()
    randomize(model)
    graph.nodes[1].spec.weights = model.get_weights()
    assert num_inputs(graph.nodes[1]) == 4
    scale, offset = values(4, 0), values(4, 1)
    if pads(graph.nodes[1]):
        offset = np.zeros(4)
    scale_inputs(graph.nodes[1], Affine(scale, offset))
    pixels = np.random.default_rng(2).uniform(-2, 2, (2, *shape)).astype("float32")
    expected = model((pixels * scale + offset).astype("float32"))
    np.testing.assert_allclose(graph.to_model()(pixels), expected, atol=3e-5)


def test_a_factor_adds_no_bias():
    graph = graph_of(layers.Conv2D(2, 1, use_bias=False), (4, 4, 3))
    for change in (scale_inputs, scale_outputs):
        change(graph.nodes[1], Affine(np.array(2.0), np.array(0.0)))
    assert not graph.nodes[1].layer.use_bias
    assert len(graph.nodes[1].spec.weights) == 1


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(2, 3, padding="same"), True),
        (layers.Conv2D(2, 1, 2, padding="same"), False),
        (layers.Conv2D(2, 3), False),
        (layers.Conv1D(2, 3, padding="causal"), True),
        (layers.Dense(2), False),
        (layers.Conv2DTranspose(2, 3, 2), True),
    ],
)
def test_zeros_from_outside_are_known(layer, expected):
    shape = (4, 3) if isinstance(layer, layers.Conv1D) else (4, 4, 3)
    assert pads(graph_of(layer, shape).nodes[1]) is expected


class Standardized(layers.Conv2D):
    """Does something else with its kernel."""


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(3, 1, activation="relu"),
        Standardized(3, 1),
        layers.ReLU(),
        layers.BatchNormalization(),
    ],
)
def test_what_is_not_kernel_and_bias_alone_is_not_linear(layer):
    assert not is_linear(graph_of(layer, (4, 4, 3)).nodes[1])


def test_channels_first_is_not_linear():
    layer = layers.Conv2D(3, 1, data_format="channels_first")
    assert not is_linear(graph_of(layer, (3, 4, 4)).nodes[1])


def test_a_shared_layer_cannot_be_changed():
    image = keras.Input((4,), name="image")
    dense = layers.Dense(4)
    graph = Graph.from_model(keras.Model(image, dense(dense(image))))
    assert is_linear(graph.nodes[1]) and not can_change(graph, graph.nodes[1])


def test_a_batch_normalization_is_lone_where_it_follows_no_linear_layer_alone():
    image = keras.Input((4, 4, 3), name="image")
    alone = layers.BatchNormalization(name="alone")(image)
    x = layers.Conv2D(4, 1, name="conv")(alone)
    behind = layers.BatchNormalization(name="behind")(x)
    y = layers.Conv2D(4, 1, name="taken_twice")(behind)
    beside = layers.BatchNormalization(name="beside")(y)
    x = layers.Dense(4, name="dense")(layers.Add()([y, beside]))
    dense = layers.BatchNormalization(name="behind_dense")(x)
    graph = Graph.from_model(keras.Model(image, dense))
    nodes = {node.name: node for node in graph.nodes}
    follows = [name for name in nodes if name != "image"]
    follows = [name for name in follows if follows_linear(graph, nodes[name])]
    assert follows == ["behind", "behind_dense"]
    affine = [name for name in nodes if lone_affine(graph, nodes[name])]
    assert affine == ["alone", "beside", "behind_dense"]


def test_a_map_goes_behind_padding_only_if_zero_stays_zero():
    image = keras.Input((4, 4, 3), name="image")
    padded = layers.ZeroPadding2D(name="pad")(image)
    conv = layers.Conv2D(2, 3, name="conv")(layers.Dropout(0.5)(padded))
    graph = Graph.from_model(keras.Model(image, conv))
    first = graph.nodes[1]
    shifted = Affine(np.array(1.0), np.array(2.0))
    assert fold_into(graph, shifted, first) is None
    scaled = Affine(np.array(2.0), np.array(0.0))
    assert fold_into(graph, scaled, first).name == "conv"
    assert fold_into(graph, shifted, graph.nodes[2]).name == "conv"


def test_a_map_that_does_not_fit_the_channels_is_not_folded():
    graph = graph_of(layers.Dense(2), (1,))
    wide = Affine(np.ones(3), np.array(0.0))
    assert fold_into(graph, wide, graph.nodes[1]) is None
