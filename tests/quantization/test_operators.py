import pytest
import tf_keras as keras

from tfcompress.layers.hard_swish import HardSwishGate
from tfcompress.quantization.operators import (
    fixed_range,
    is_plain_relu,
    why_float,
    why_impossible,
)
from tfcompress.rewriting.graph import Graph

layers = keras.layers


def called(layer, shape=(8, 8, 4)):
    """Returns a graph of two convolutions and a layer, and the call of that."""
    image = keras.Input(shape, name="image")
    x = layer(layers.Dense(4)(image))
    graph = Graph.from_model(keras.Model(image, layers.Dense(2)(x)))
    return graph, next(node for node in graph.nodes if node.name == layer.name)


@pytest.mark.parametrize(
    ("layer", "shape", "reason"),
    [
        (layers.Activation("exponential"), (8, 8, 4), ""),
        (layers.Activation("mish"), (8, 8, 4), "int8 operator for mish"),
        (layers.BatchNormalization(), (8, 8, 4), ""),
        (layers.BatchNormalization(axis=[1, 3]), (8, 8, 4), "along several axes"),
        (layers.LayerNormalization(), (8, 4), "no int8 LayerNormalization"),
        (layers.ReLU(3.0), (8, 8, 4), "slope or bound"),
        (layers.Softmax(), (8, 8, 4), ""),
        (layers.Softmax(axis=(1, 2)), (8, 8, 4), "along several axes"),
        (layers.UnitNormalization(), (8, 8, 4), ""),
        (layers.UnitNormalization(1), (8,), ""),
        (layers.UnitNormalization(1), (8, 4), "last axis only"),
        (layers.UpSampling1D(), (8, 4), ""),
        (layers.ELU(), (8, 8, 4), "ELU is not known"),
    ],
)
def test_a_layer_computes_in_int8_or_there_is_a_reason(layer, shape, reason):
    graph, node = called(layer, shape)
    found = why_float(graph, node)
    assert reason in found and bool(found) == bool(reason)
    assert not why_impossible(node)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Resizing(4, 4, "lanczos3"), (8, 8, 4)),
        (layers.UpSampling2D(2, interpolation="area"), (8, 8, 4)),
        (layers.MaxPooling3D(), (8, 8, 8, 4)),
    ],
)
def test_what_the_runtime_has_not_at_all_is_told(layer, shape):
    assert "in float neither" in why_impossible(called(layer, shape)[1])


def test_the_runtime_demands_some_ranges():
    assert fixed_range(layers.Softmax()) == (0.0, 255 / 256)
    assert fixed_range(layers.Activation("log_softmax")) == (-255 / 16, 0.0)
    assert fixed_range(layers.UnitNormalization()) == (-1.0, 127 / 128)
    assert fixed_range(HardSwishGate())[0] == 0.0
    assert fixed_range(layers.ReLU(6.0)) is None


def test_a_plain_relu_ends_at_6_or_nowhere():
    assert is_plain_relu(layers.ReLU()) and is_plain_relu(layers.ReLU(6.0))
    assert not is_plain_relu(layers.ReLU(5.0))
    assert not is_plain_relu(layers.ReLU(negative_slope=0.1))
