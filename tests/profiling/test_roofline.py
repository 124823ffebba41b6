import pytest

from tfcompress.profiling.counts import LayerProfile
from tfcompress.profiling.roofline import Placement, Roofline, copy_bytes_per_second

# A gigabyte and a thousand (int8: four thousand) million MACs a second.
MACHINE = Roofline(1e9, {"float32": 1e9, "int8": 4e9}, 1)


def layer(dtype, macs, num_bytes):
    return LayerProfile(
        "x", "CONV_2D", (1,), 0, 0, macs, dtype=dtype, read_bytes=num_bytes
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (layer("float32", 4000, 1000), Placement("compute", 4.0)),
        (layer("float32", 1000, 4000), Placement("memory", 4.0)),
        (layer("int8", 4000, 1500), Placement("memory", 1.5)),
        # Not measured: as float32.
        (layer("int16", 4000, 1500), Placement("compute", 4.0)),
    ],
)
def test_the_slower_of_memory_and_arithmetic_bounds(given, expected):
    assert MACHINE.place(given) == expected


def test_json_round_trip():
    values = {**MACHINE.to_dict(), "layers": []}
    assert Roofline.from_dict(values) == MACHINE


def test_this_machine_is_measured_once():
    found = Roofline.measure()
    assert found is Roofline.measure()
    assert found.num_threads == 1
    # Any machine of this century, and none of the next.
    assert 1e8 < found.bytes_per_second < 1e13
    assert set(found.macs_per_second) == {"float32", "int8"}
    assert all(1e7 < rate < 1e14 for rate in found.macs_per_second.values())


def test_the_bandwidth_is_of_copies():
    assert 1e8 < copy_bytes_per_second() < 1e13
