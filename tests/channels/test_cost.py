import numpy as np
import tf_keras as keras
from channels.nets import layers, model, without
from contract.random_graphs import random_weights

import tfcompress as tfc
from tfcompress.channels.cost import measure_cost
from tfcompress.channels.dependency import find_dependencies
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.rewriting.graph import Graph


def costs(net, name="conv", removed=()):
    """Returns (MACs, parameters) without some channels, by the cost and by profile."""
    graph = Graph.from_model(net)
    found = find_dependencies(graph)
    cost = measure_cost(graph, found)
    keep = np.ones(len(found.groups), bool)
    (node,) = [node for node in graph.nodes if node.name == name]
    keep[found.of(node.output)[list(removed)]] = False
    totals = tfc.profile(without(net, removed, name) if removed else net).totals
    ours = (cost.macs(keep), cost.params(keep))
    assert ours == (totals.macs, totals.params)
    return ours


def test_convolution_dense_and_norm():
    def block(x):
        x = layers.BatchNormalization()(x)
        x = layers.DepthwiseConv2D(3, 2, padding="same", depth_multiplier=2)(x)
        return layers.GlobalAveragePooling2D()(layers.PReLU()(x))

    net = model(block)
    # 6x6: 1x1 convolution 3 -> 8, norm; 3x3: depthwise 3x3 to 16, a slope for each
    # value, dense to 2.
    macs = 36 * 3 * 8 + 9 * 9 * 16 + 16 * 2
    params = (24 + 8) + 4 * 8 + (9 * 16 + 16) + 9 * 16 + (32 + 2)
    assert costs(net) == (macs, params)
    # 5 channels stay.
    macs = 36 * 3 * 5 + 9 * 9 * 10 + 10 * 2
    params = (15 + 5) + 4 * 5 + (9 * 10 + 10) + 9 * 10 + (20 + 2)
    assert costs(net, removed=(0, 1, 2)) == (macs, params)


def test_a_shared_layer_costs_at_every_call_and_has_its_weights_once():
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    net = model(
        lambda x: layers.GlobalAveragePooling2D()(
            shared(layers.MaxPooling2D(2)(shared(x)))
        )
    )
    macs, params = costs(net, removed=(0, 1))
    assert macs == 36 * 3 * 6 + (36 + 9) * 9 * 6 * 6 + 6 * 2
    assert params == (18 + 6) + (9 * 36 + 6) + (12 + 2)


def test_transposed_convolutions_cost_by_their_input():
    net = model(
        lambda x: layers.GlobalAveragePooling2D()(layers.Conv2DTranspose(4, 3, 2)(x))
    )
    macs, params = costs(net, removed=(0,))
    assert macs == 36 * 3 * 7 + 36 * 9 * 7 * 4 + 4 * 2
    assert params == (21 + 7) + (9 * 28 + 4) + (8 + 2)


def test_parts_of_a_grouped_convolution_see_their_inputs_only():
    net = model(
        lambda x: layers.GlobalAveragePooling2D()(GroupedConv2D(6, 1, groups=2)(x))
    )
    macs, params = costs(net, removed=(0, 4))
    assert macs == 36 * 3 * 6 + 36 * 6 * 6 // 2 + 6 * 2
    assert params == (18 + 6) + (18 + 6) + (12 + 2)


def test_weights_that_depend_on_no_channel():
    prelu = layers.PReLU(shared_axes=(1, 2, 3))
    norm = layers.LayerNormalization()
    net = model(
        lambda x: layers.GlobalAveragePooling2D()(
            layers.Conv2D(4, 1)(norm(layers.Conv2D(5, 1)(prelu(x))))
        )
    )
    _, params = costs(net, removed=(0,))
    assert params == (21 + 7) + 1 + (35 + 5) + 10 + (20 + 4) + (8 + 2)


def test_open_sizes_count_as_one():
    image = layers.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 1)(image))
    net = keras.Model(image, layers.Dense(2)(x))
    random_weights(net, 0)
    graph = Graph.from_model(net)
    cost = measure_cost(graph, found := find_dependencies(graph))
    assert cost.macs(np.ones(len(found.groups), bool)) == 3 * 8 + 8 * 2
