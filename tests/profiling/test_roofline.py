import json
import os
import subprocess
import sys

import pytest

from tfcompress.profiling.counts import LayerProfile
from tfcompress.profiling.roofline import Placement, Roofline

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
import collections, json, os, sys, threading
import numpy as np
from tfcompress.profiling.roofline import copy_bytes_per_second

copied, copyto = collections.Counter(), np.copyto
def counting(target, source):
    copied[threading.get_ident()] += target.nbytes
    copyto(target, source)

np.copyto = counting
rate = copy_bytes_per_second(int(sys.argv[1]))
print(json.dumps([rate, len(os.sched_getaffinity(0)), list(copied.values())]))
"""


@pytest.mark.parametrize(("num_threads", "megabytes"), [(1, 64), (2, 32), (5, 16)])
def test_the_bandwidth_is_of_all_threads_together(num_threads, megabytes):
    command = [sys.executable, "-c", COPIES, str(num_threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rate, num_cores, copied = json.loads(done.stdout)
    assert 1e8 < rate < 1e13
    assert num_cores == min(num_threads, len(os.sched_getaffinity(0)))
    # Ten times, each thread its own part.
    assert copied == [10 * megabytes * 2**20] * num_threads
