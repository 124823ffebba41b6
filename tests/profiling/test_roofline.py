import json
import os
import subprocess
import sys

import pytest

from tfcompress.profiling.counts import LayerProfile
from tfcompress.profiling.layer_file import build_layer_file
from tfcompress.profiling.profile import profile
from tfcompress.profiling.roofline import (
    _CHANNELS,
    _LAYER,
    _LAYER_MACS,
    Placement,
    Roofline,
)

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
        (layer("uint8", 4000, 500), Placement("compute", 1.0)),
        # Not measured: as float32.
        (layer("int16", 4000, 1500), Placement("compute", 4.0)),
    ],
)
def test_the_slower_of_memory_and_arithmetic_bounds(given, expected):
    assert MACHINE.place(given) == expected


@pytest.mark.parametrize(("dtype", "corner"), [("float32", 1), ("int8", 4)])
def test_the_corner_is_the_rate_of_macs_by_that_of_bytes(dtype, corner):
    # 1e9 or 4e9 MACs a second by 1e9 bytes a second: 1 or 4 MACs a byte.
    bounds = [
        MACHINE.place(layer(dtype, macs, 1000)).bound
        for macs in (1000 * corner - 1, 1000 * corner, 1000 * corner + 1)
    ]
    assert bounds == ["memory", "memory", "compute"]


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_layer_that_is_timed_has_the_macs_that_its_time_is_divided_into(
    dtype, tmp_path
):
    path = tmp_path / "layer.tflite"
    path.write_bytes(build_layer_file(_LAYER, _CHANNELS, _CHANNELS, dtype))
    assert profile(path, latency=False).totals.macs == _LAYER_MACS


def test_json_round_trip():
    values = {**MACHINE.to_dict(), "layers": []}
    assert Roofline.from_dict(values) == MACHINE


@pytest.mark.parametrize("num_threads", [1, 2])
def test_this_machine_is_measured_once_for_a_number_of_threads(num_threads):
    found = Roofline.measure(num_threads)
    assert found is Roofline.measure(num_threads)
    assert found.num_threads == num_threads
    # Any machine of this century, and none of the next.
    assert 1e8 < found.bytes_per_second < 1e13
    assert set(found.macs_per_second) == {"float32", "int8"}
    assert all(1e7 < rate < 1e14 for rate in found.macs_per_second.values())


COPIES = """
import collections, json, os, sys, threading, time
import numpy as np
from tfcompress.profiling.roofline import copy_bytes_per_second

copied, seconds = collections.Counter(), collections.defaultdict(list)
copyto = np.copyto
def counting(target, source):
    start = time.perf_counter()
    copyto(target, source)
    seconds[threading.get_ident()].append(time.perf_counter() - start)
    copied[threading.get_ident()] += target.nbytes

np.copyto = counting
start = time.perf_counter()
rate = copy_bytes_per_second(int(sys.argv[1]))
whole = time.perf_counter() - start
num_cores = len(os.sched_getaffinity(0))
print(json.dumps([rate, whole, num_cores, *zip(copied.values(), seconds.values())]))
"""


@pytest.mark.parametrize(("num_threads", "megabytes"), [(1, 64), (2, 32), (5, 16)])
def test_the_bandwidth_is_of_all_threads_together(num_threads, megabytes):
    command = [sys.executable, "-c", COPIES, str(num_threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rate, whole, num_cores, *threads = json.loads(done.stdout)
    assert num_cores == min(num_threads, len(os.sched_getaffinity(0)))
    # Ten times, each thread its own part.
    size = megabytes * 2**20
    copied, seconds = zip(*threads, strict=True)
    assert copied == (10 * size,) * num_threads
    # Read and written in the best of ten turns: no longer than a turn of the whole, no
    # shorter than the longest of its threads.
    in_a_turn = 2 * size * num_threads
    slowest = [max(turn) for turn in zip(*seconds, strict=True)]
    assert in_a_turn / (whole / 10) <= rate <= in_a_turn / min(slowest)
