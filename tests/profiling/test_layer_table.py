import json

import numpy as np
import pytest

from tfcompress.profiling.layer_file import LayerShape
from tfcompress.profiling.layer_table import LayerTable, Times, WholeLayer

CONV = WholeLayer(LayerShape("CONV_2D", (4, 4)), 16, 64)
DEPTHWISE = WholeLayer(LayerShape("DEPTHWISE_CONV_2D", (4, 4), (3, 3)), 32, 64)


def test_time_lies_between_what_was_measured():
    times = Times([8, 16], [8, 24], np.array([[1.0, 3.0], [2.0, 6.0]]))
    assert times.at(8, 8) == 1
    assert times.at(16, 24) == 6
    assert times.at(8, 16) == 2
    # Half-way on both axes: the mean of all four.
    assert times.at(12, 16) == 3
    assert times.at(4, 4) == 1
    assert times.at(99, 99) == 6


@pytest.mark.parametrize(
    ("layer", "grid"),
    [
        (CONV, ([8, 16], [8, 16, 32, 64])),
        # An eighth of 100 is 12.5: to the nearest multiple of 8, or 8 at least.
        (WholeLayer(CONV.shape, 3, 100), ([3], [16, 24, 48, 100])),
        (DEPTHWISE, ([32], [8, 16, 32, 64])),
        (
            WholeLayer(LayerShape("CONV_2D", (4, 4), groups=3), 24, 48),
            ([3, 6, 12, 24], [6, 12, 24, 48]),
        ),
    ],
)
def test_grid_is_of_counts_that_the_layer_can_have(layer, grid):
    assert layer.grid() == grid


def test_every_point_of_every_layer_is_measured_once():
    table = LayerTable.measure([CONV, DEPTHWISE, CONV])
    assert list(table.times) == [CONV, DEPTHWISE]
    assert table.times[CONV].latency_ms.shape == (2, 4)
    assert table.times[DEPTHWISE].latency_ms.shape == (1, 4)
    for layer, times in table.times.items():
        whole = table.latency_ms(layer, layer.num_inputs, layer.num_outputs)
        assert whole == times.latency_ms[-1, -1] > 0
    first, _ = json.loads(json.dumps(table.to_list()))
    assert (first["op"], first["inputs"], first["outputs"]) == (
        "CONV_2D",
        *([8, 16], [8, 16, 32, 64]),
    )
    assert np.shape(first["latency_ms"]) == (2, 4)
