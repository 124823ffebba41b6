"""Profiles thousands of damaged .tflite files: each a profile or one clear line.

  python tests/contract/damaged_tflite.py 10000

Damages are seeded: some bytes changed, a stretch overwritten, the end cut off. What the
file describes may then be nonsense, but it is only read, so the process must not die,
hang or take gigabytes, and whatever it says must be JSON.
"""

import argparse
import collections
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tfcompress.errors import ModelError
from tfcompress.profiling import profile

KINDS = ("bytes", "stretch", "word", "cut")
MAX_MEMORY_BYTES = 2 << 30
MAX_SECONDS = 5.0


def damaged(content, seed):
    """Returns the bytes of a file after the damage of a seed."""
    random = np.random.default_rng(seed)
    damaged = np.frombuffer(content, np.uint8).copy()
    kind = KINDS[seed % len(KINDS)]
    if kind == "cut":
        return damaged[: random.integers(len(damaged))].tobytes()
    # The mark says what kind of file it is: damage there is seen at once.
    start = 8 + int(random.integers(len(damaged) - 24))
    if kind == "bytes":
        places = 8 + random.integers(len(damaged) - 8, size=random.integers(1, 20))
        damaged[places] = random.integers(256, size=len(places))
    elif kind == "word":
        word = random.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
        damaged[start : start + 4] = list(int(word).to_bytes(4, "little"))
    else:
        length = int(random.integers(1, 16))
        damaged[start : start + length] = random.integers(256, size=length)
    return damaged.tobytes()


def flipped(content, seed, number=None):
    """Returns the bytes of a file with a number of them changed; None is one or two."""
    random = np.random.default_rng(seed)
    flipped = np.frombuffer(content, np.uint8).copy()
    places = random.choice(len(flipped), size=number or 1 + seed % 2, replace=False)
    flipped[places] ^= random.integers(1, 256, size=len(places), dtype=np.uint8)
    return flipped.tobytes()


def try_all(content, seeds, folder, damage=damaged, latency=False):
    """Returns how many damaged files were profiled and how many refused.

    With `latency` what can be read is run, too: `not run` are those that LiteRT refused
    or crashed on.
    """
    ends, slowest = collections.Counter(), 0.0
    path = Path(folder) / "damaged.tflite"
    for seed in seeds:
        path.write_bytes(damage(content, seed))
        start = time.process_time()
        try:
            document = json.loads(profile(path, latency=latency).to_json())
            assert document["format"] == "tflite", seed
            assert not any("\n" in note for note in document["notes"]), seed
            is_timed = document["totals"]["latency_ms"] is not None
            ends["profiled" if is_timed or not latency else "not run"] += 1
        except ModelError as error:
            message = str(error)
            assert message and "\n" not in message, (seed, message)
            assert str(path) in message, (seed, message)
            ends["refused"] += 1
        slowest = max(slowest, time.process_time() - start)
        assert slowest < MAX_SECONDS, f"seed {seed} took {slowest:.1f} s"
    return ends, slowest


def small_file(folder):
    """Returns the bytes of an int8 file with the usual operators."""
    import tiny

    from tfcompress.export import export_tflite

    path = Path(folder) / "sound.tflite"
    export_tflite(tiny.model(), path, tiny.data(), "int8")
    return path.read_bytes()


def main():
    """Tries as many damages as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("number", type=int, nargs="?", default=10_000)
    parser.add_argument("--file", help="to damage; default: a small int8 file")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    with tempfile.TemporaryDirectory() as folder:
        given = options.file
        content = Path(given).read_bytes() if given else small_file(folder)
        ends, slowest = try_all(content, range(options.number), folder)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{options.number} damages of {len(content)} bytes: {dict(ends)}, slowest "
        f"{slowest:.2f} s, {memory >> 20} MiB at most"
    )
    assert memory < MAX_MEMORY_BYTES


if __name__ == "__main__":
    main()
