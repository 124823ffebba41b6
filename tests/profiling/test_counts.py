import gzip
import json

import numpy as np
import pytest

from tfcompress.profiling.counts import (
    LayerProfile,
    Totals,
    batch_notes,
    batch_size_of,
    gzip_size,
    sparsity,
)
from tfcompress.profiling.energy import Energy
from tfcompress.profiling.memory_plan import MemoryPlan

LAYERS = (
    LayerProfile("in", "InputLayer", (8, 8, 1), 0, 0, 0),
    LayerProfile(
        *("conv", "Conv2D", (8, 8, 2), 20, 10, 1152, 18, 9),
        trainable_params=20,
        flops=2432,
        weight_bytes={"float32": 80},
        read_bytes=336,
        written_bytes=512,
    ),
    LayerProfile(
        *("dense", "Dense", (None, 3), 9, 9, 6, 6, 6),
        flops=15,
        weight_bytes={"float32": 30, "int8": 6},
        read_bytes=44,
        written_bytes=12,
    ),
)


def test_sparsity_is_the_share_of_zeros_in_the_kernel():
    assert [layer.sparsity for layer in LAYERS] == [0.0, 9 / 18, 0.0]
    assert sparsity(0, 0) == 0.0


def test_intensity_is_operations_a_byte():
    assert LAYERS[1].accessed_bytes == 336 + 512
    assert LAYERS[1].intensity == 2432 / 848
    assert LAYERS[0].intensity == 0


def test_totals_add_up():
    content = b"a" * 1000
    totals = Totals.of(LAYERS, content=content, memory=MemoryPlan(640, 1, (1, 9, 2)))
    assert totals == Totals(
        params=20 + 9,
        trainable_params=None,
        nonzero_params=10 + 9,
        macs=1152 + 6,
        sparsity=9 / (18 + 6),
        size_bytes=1000,
        gzip_bytes=len(gzip.compress(content, 9, mtime=0)),
        flops=2432 + 15,
        weight_bytes={"float32": 110, "int8": 6},
        other_bytes=1000 - 116,
        read_bytes=336 + 44,
        written_bytes=512 + 12,
        peak_memory_bytes=640,
        peak_op="conv",
        modelled_energy=totals.modelled_energy,
    )
    # MACs, and the additions beside them, of 32-bit floats; 904 bytes on the chip.
    compute = 1158 * 4.6 + (2447 - 2 * 1158) * 0.9
    energy = (compute + 904 * 12.5) * 1e-9
    assert totals.modelled_energy.millijoules == pytest.approx(energy)


def test_without_a_file_nothing_is_weighed():
    totals = Totals.of(LAYERS)
    assert totals.size_bytes is totals.gzip_bytes is totals.other_bytes is None
    assert totals.peak_memory_bytes is totals.peak_op is totals.measured_energy is None


@pytest.mark.parametrize("energy", [None, Energy("measured", 0.5, "counters")])
def test_json_round_trip(energy):
    totals = Totals(1, None, 1, 2, 0.5, measured_energy=energy, weight_bytes={"a": 1})
    assert Totals.from_dict(json.loads(json.dumps(totals.to_dict()))) == totals
    for layer in LAYERS:
        assert LayerProfile.from_dict(json.loads(json.dumps(layer.to_dict()))) == layer


def test_gzip_size_is_that_of_level_nine():
    content = np.random.default_rng(0).bytes(500)
    assert gzip_size(content) == len(gzip.compress(content, 9, mtime=0)) >= 500


@pytest.mark.parametrize(
    ("shapes", "batch_size"),
    [
        ([(4, 8)], 4),
        ([(None, 8)], 1),
        ([(1, 8), (8, 2)], 1),
        ([(16,)], 1),
        ([()], 1),
        ([], 1),
    ],
)
def test_the_batch_is_the_first_side_of_the_first_input(shapes, batch_size):
    assert batch_size_of(shapes) == batch_size
    assert bool(batch_notes(batch_size)) == (batch_size > 1)
