"""Whether measured times hold: a file against itself, and LiteRT's own tool.

Run: `python tests/benchmarks/latency_trust.py FILE.tflite [--output=ROWS.jsonl]`, with
a file of 1 ms or more: the tool rounds to 0.01 ms. Each repeat is added to the output
as a line of JSON once it is known. The ratio of the file to itself is to be 1 within
2 %, and within 5 % while another process keeps a core busy, in every repeat. The median
of `tfc.profile` and that of LiteRT's tool, in alternation, are compared by the smallest
of the repeats: what disturbs a machine only adds time; within 5 %. Exit code 1 if one
is missed.
"""

import argparse
import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import tfcompress as tfc
from tfcompress.profiling.environment import environment

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


LIMITS = {"quiet": (contextlib.nullcontext, 0.02), "busy": (busy_core, 0.05)}
MEDIAN_LIMIT = 0.05


def measured(path, num_repeats):
    """Yields a row a repeat: of the file against itself, then of both medians."""
    for load, (beside, _) in LIMITS.items():
        with beside():
            for repeat in range(num_repeats):
                ratio = tfc.latency_ratio(path, path)
                yield {"load": load, "repeat": repeat, **dataclasses.asdict(ratio)}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(num_repeats):
            p50 = tfc.profile(path).totals.latency_ms["p50"]
            tool = median_of_tool(path, folder)
            yield {"repeat": repeat, "p50_ms": p50, "tool_p50_ms": tool}


def judged(rows):
    """Prints what the rows come to; returns whether a limit is missed."""
    is_missed = False
    for load, (_, limit) in LIMITS.items():
        ratios = [row["ratio"] for row in rows if row.get("load") == load]
        worst = max(abs(ratio - 1) for ratio in ratios)
        text = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"file / itself, {load}: {text}; worst {worst:.1%}, limit {limit:.0%}")
        is_missed |= worst > limit
    ours = min(row["p50_ms"] for row in rows if "p50_ms" in row)
    theirs = min(row["tool_p50_ms"] for row in rows if "p50_ms" in row)
    apart = ours / theirs - 1
    print(f"smallest p50 in ms, ours and the tool's: {ours:.3f} and {theirs:.3f}")
    print(f"apart {apart:+.1%}, limit {MEDIAN_LIMIT:.0%}")
    return is_missed or abs(apart) > MEDIAN_LIMIT


def main():
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="gets a line of JSON a repeat")
    options = parser.parse_args()
    facts = {"file": options.file.name, "cpu": environment(1)["cpu"]}
    rows = []
    for row in measured(options.file, options.repeats):
        rows.append(row)
        if options.output:
            with options.output.open("a") as output:
                print(json.dumps(facts | row), file=output)
    return int(judged(rows))


if __name__ == "__main__":
    sys.exit(main())
