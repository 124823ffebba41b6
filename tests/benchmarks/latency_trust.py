"""Whether measured times hold: a file against itself, and LiteRT's own tool.

Run: `python tests/benchmarks/latency_trust.py FILE.tflite [--repeats=5]`, with a file
of 1 ms or more: the tool rounds to 0.01 ms. The ratio of the file to itself is to be 1
within 2 %, and within 5 % while another process keeps a core busy, in every repeat. The
median of `tfc.profile` and that of LiteRT's tool, in alternation, are compared by the
smallest of the repeats: what disturbs a machine only adds time; within 5 %. Exit code 1
if one is missed.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import tfcompress as tfc

TOOL = "ai_edge_litert.tools.benchmark_litert_model"


@contextlib.contextmanager
def busy_core():
    """Keeps a core busy with another process."""
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        hog.kill()
        hog.wait()


def median_of_tool(path, folder):
    """Returns what LiteRT's own tool prints, in ms."""
    result = Path(folder) / "result.json"
    words = ["--num_threads=1", "--num_runs=200", f"--result_json={result}"]
    subprocess.run(
        [sys.executable, "-m", TOOL, f"--model={path}", *words],
        check=True,
        capture_output=True,
    )
    return json.loads(result.read_text())["latency"]["median_ms"]


def main():
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    path, repeats = arguments.file, range(arguments.repeats)
    missed = False
    for name, load, limit in (
        ("quiet", contextlib.nullcontext, 0.02),
        ("busy", busy_core, 0.05),
    ):
        with load():
            found = [tfc.latency_ratio(path, path) for _ in repeats]
        worst = max(abs(one.ratio - 1) for one in found)
        ratios = ", ".join(f"{one.ratio:.3f}" for one in found)
        print(f"file / itself, {name}: {ratios}; worst {worst:.1%}, limit {limit:.0%}")
        missed |= worst > limit
    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            (tfc.profile(path).totals.latency_ms["p50"], median_of_tool(path, folder))
            for _ in repeats
        ]
    ours, theirs = (min(times) for times in zip(*pairs, strict=True))
    print(f"p50 in ms, ours and the tool's: {pairs}")
    print(f"smallest: {ours:.3f} and {theirs:.3f}, {ours / theirs - 1:+.1%}, limit 5 %")
    missed |= abs(ours / theirs - 1) > 0.05
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
