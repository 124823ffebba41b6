import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.channels.removal import Removable
from tfcompress.profiling.layer_file import LayerShape
from tfcompress.profiling.layer_table import LayerTable, Times, WholeLayer
from tfcompress.stages.channel_latency import ChannelLatency, layer_shape

layers = keras.layers


def shape_of(layer, *input_shape):
    image = layers.Input(input_shape)
    model = keras.Model(image, layer(image))
    graph = Removable(model).graph
    return layer_shape(graph, graph.nodes[-1])


@pytest.mark.parametrize(
    ("layer", "input_shape", "shape"),
    [
        (layers.Conv2D(4, 3, 2), (8, 6, 2), ("CONV_2D", (8, 6), (3, 3), (2, 2))),
        (layers.Conv1D(4, 3), (8, 2), ("CONV_2D", (1, 8), (1, 3))),
        (layers.DepthwiseConv2D(3), (8, 6, 2), ("DEPTHWISE_CONV_2D", (8, 6), (3, 3))),
        (layers.DepthwiseConv1D(3), (8, 2), ("DEPTHWISE_CONV_2D", (1, 8), (1, 3))),
    ],
)
def test_shape_of_a_convolution(layer, input_shape, shape):
    assert shape_of(layer, *input_shape) == LayerShape(*shape, padding="valid")


def test_shape_of_other_layers():
    grouped = layers.Conv2D(4, 3, padding="same", dilation_rate=2, groups=2)
    assert shape_of(grouped, 8, 8, 2) == LayerShape(
        "CONV_2D", (8, 8), (3, 3), dilation=(2, 2), groups=2
    )
    assert shape_of(layers.Dense(4), 3, 5, 2) == LayerShape("FULLY_CONNECTED", (1, 15))
    assert shape_of(layers.Conv1D(4, 3, padding="causal"), 8, 2).padding == "same"
    for layer in (layers.Conv2DTranspose(4, 3), layers.ReLU()):
        assert shape_of(layer, 8, 8, 2) is None


def test_latency_is_the_sum_of_the_layers_by_a_given_table():
    removable = Removable(tiny.model())
    latency = ChannelLatency(removable)
    stem = WholeLayer(LayerShape("CONV_2D", (8, 8), (3, 3)), 1, 8)
    assert latency.layers["stem_conv"] == [stem]
    # One millisecond for each output channel of the stem, and nothing else.
    free = Times([1], [1], np.zeros((1, 1)))
    times = {call: free for calls in latency.layers.values() for call in calls}
    times[stem] = Times([1], [0, 8], np.array([[0.0, 8.0]]))
    object.__setattr__(latency, "table", LayerTable(times))
    assert latency.latency_ms(removable, removable.everything) == 8
    keep = removable.everything
    stem_channels = next(k for k in removable.cost.kernels if k.name == "stem_conv")
    keep[stem_channels.outputs[:3]] = False
    assert latency.latency_ms(removable, keep) == 5


def test_a_layer_that_is_called_twice_counts_twice():
    image, layer = layers.Input((8, 8, 4)), layers.Conv2D(4, 1, name="twice")
    model = keras.Model(image, layer(layer(image)))
    assert len(ChannelLatency(Removable(model)).layers["twice"]) == 2


def test_what_no_table_holds_counts_by_its_macs():
    image = layers.Input((4, 4, 2))
    model = keras.Model(image, layers.Conv2DTranspose(3, 1)(image))
    removable = Removable(model)
    latency = ChannelLatency(removable).latency_ms(removable, removable.everything)
    # 16 positions of 2 x 3 weights, at 20 billion a second.
    assert latency == pytest.approx(16 * 6 / 20e9 * 1e3)
