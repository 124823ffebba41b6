"""results.csv: a row for each measured run, written by the program, never by hand."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfcompress.errors import DataError
from tfcompress.reporting.report import Report
from tfcompress.storage import write_bytes

COLUMNS = (
    "recipe",
    "recipe_digest",
    "seed",
    "stage_seconds",
    "num_test",
    "baseline_top1",
    "top1",
    "keras_top1",
    "keras_agreement",
    "params",
    "nonzero_params",
    "macs",
    "baseline_gzip_bytes",
    "size_bytes",
    "gzip_bytes",
    "size_ratio",
    "gzip_ratio",
    "latency_ratio",
    "sha256",
    "cpu",
    "isa",
    "num_threads",
    "tensorflow",
    "tensorflow_model_optimization",
    "ai_edge_litert",
    "tfcompress",
)
_HEAD = """# Recipes

One experiment a file: what goes in, each stage with its settings, what comes out. Run
one with `tfcompress run recipes/NAME.py`, or as a script: `python recipes/NAME.py`.
`--smoke` runs every step in seconds, `--set=stages.pruning.final_sparsity=0.9` changes
a setting.

The table is made from `results.csv` by
`python -m tfcompress.reporting.results recipes/results.csv recipes/README.md`, and a
row of that file by `tfcompress run recipes/NAME.py --results=recipes/results.csv`.
Accuracy is top-1 on the whole test set, of the float32 and of the compressed
`.tflite` file, run by LiteRT; `as Keras` is the share of predictions that are those of
the last Keras model; bytes are after gzip -9; the latency ratio is of the two files
timed in alternation on one thread. Minutes are those of the stages, on one or two
cores. Of several rows of one recipe and seed, the table has the newest.

"""


def append_result(path: str | Path, report: Report) -> None:
    """Adds a row to a results file, which is made if it is not there.

    The same measurement is not added twice.

    Args:
      path: the CSV file.
      report: of a finished run.

    Raises:
      DataError: the file has other columns than `COLUMNS`.
      WorkdirError: it cannot be written.
    """
    path = Path(path)
    rows = read_results(path) if path.exists() else []
    row = {name: str(value) for name, value in _row(report).items()}
    measured = ("recipe_digest", "seed", "sha256", "latency_ratio")
    if any(all(old[name] == row[name] for name in measured) for old in rows):
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, row])
    write_bytes(path, text.getvalue().encode())


def read_results(path: str | Path) -> list[dict[str, str]]:
    """Returns the rows of a results file as texts.

    Raises:
      DataError: it cannot be read, or has other columns than `COLUMNS`.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}; expected a CSV file") from error
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise DataError(
            f"{path} does not have the columns of results.csv; give another file, or "
            "move it away and let the program make a new one"
        )
    return rows


def newest_results(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Returns the last row of each recipe and seed."""
    return list({(row["recipe"], row["seed"]): row for row in rows}.values())


def measured_text(row: dict[str, str]) -> str:
    """Returns what the docstring of a recipe says was measured."""
    return (
        f"{float(row['stage_seconds']) / 60:.0f} min; top-1 "
        f"{float(row['baseline_top1']):.2%} in float32, {float(row['top1']):.2%} in "
        f"int8; {int(row['gzip_bytes']):,} bytes by gzip, "
        f"{float(row['gzip_ratio']):.1f}x smaller"
    )


def results_markdown(rows: Sequence[dict[str, str]]) -> str:
    """Returns `recipes/README.md`: how to run recipes, and what they gave."""
    head = "recipe | seed | top-1 float | top-1 int8 | as Keras | params | gzip bytes"
    lines = [f"| {head} | smaller | faster | minutes | ISA |", "|" + " --- |" * 11]
    for row in newest_results(rows):
        cells = (
            row["recipe"],
            row["seed"],
            f"{float(row['baseline_top1']):.2%}",
            f"{float(row['top1']):.2%}",
            f"{float(row['keras_agreement']):.2%}",
            f"{int(row['params']):,}",
            f"{int(row['gzip_bytes']):,}",
            f"{float(row['gzip_ratio']):.1f}x",
            f"{float(row['latency_ratio']):.2f}x",
            f"{float(row['stage_seconds']) / 60:.1f}",
            row["isa"],
        )
        lines.append("| " + " | ".join(cells) + " |")
    return _HEAD + "\n".join(lines) + "\n"


def _row(report: Report) -> dict[str, Any]:
    artifact, last = report.artifact, report.stages[-1]
    shared = {**report.environment, **report.comparison, **artifact}
    return {
        **{name: shared[name] for name in COLUMNS if name in shared},
        "recipe": report.recipe["name"],
        "recipe_digest": report.recipe["digest"],
        "seed": report.recipe["seed"],
        "stage_seconds": round(sum(row["seconds"] for row in report.stages), 1),
        "num_test": report.data["num_test"],
        "baseline_top1": report.baseline["top1"],
        "keras_top1": last["top1"],
        "params": last["params"],
        "nonzero_params": last["nonzero_params"],
        "baseline_gzip_bytes": report.baseline["tflite"]["gzip_bytes"],
    }


if __name__ == "__main__":
    source, target = sys.argv[1:]
    Path(target).write_text(results_markdown(read_results(source)), encoding="utf-8")
