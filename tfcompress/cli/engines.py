"""`tfcompress engines`: one .tflite file on LiteRT, ONNX Runtime and OpenVINO."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from absl import flags

from tfcompress.cli.command import Command, UsageError, new_flags
from tfcompress.cli.model_files import check_no_run

if TYPE_CHECKING:
    from tfcompress.engines import EngineResult

SCHEMA_VERSION = 1
_COLUMNS = (
    *("engine", "versions", "p10_ms", "p50_ms", "p90_ms", "num_threads"),
    *("top1", "agreement", "max_difference", "max_steps", "missing"),
)


def command() -> Command:
    """Returns the `engines` command."""
    values = _flags()
    return Command(
        usage="tfcompress engines MODEL.tflite",
        summary="Times and scores a file on LiteRT, ONNX Runtime and OpenVINO.",
        examples=(
            "tfcompress engines model.tflite",
            "tfcompress engines model.tflite --data=fashion_mnist_small --format=json",
            "tfcompress engines model.tflite --engines=litert,openvino",
        ),
        groups={
            "What to measure": ("engines", "data", "data_dir", "num_threads"),
            "How to print": ("format", "debug"),
        },
        run=lambda words: _run(values, words),
        flags=values,
    )


def _flags() -> flags.FlagValues:
    values = new_flags()
    flags.DEFINE_string(
        *("engines", "litert,onnxruntime,openvino", "Which, separated by commas."),
        flag_values=values,
    )
    for name, text in (
        ("data", "Data set to measure accuracy and agreement on."),
        ("data_dir", "Folder that holds it, if it is not found."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values)
    flags.DEFINE_integer(
        *("num_threads", 1, "Threads of each engine."),
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_enum(
        "format", "table", ["table", "json", "csv"], "How to print.", flag_values=values
    )
    return values


def _run(values: flags.FlagValues, words: list[str]) -> int:
    if len(words) != 1:
        raise UsageError(f"expected one MODEL.tflite, not {len(words)}")
    (path,) = words
    check_no_run(path)
    from tfcompress.cli.noise import noise_to

    with noise_to(None) as terminal:
        from tfcompress.engines import compare_engines
        from tfcompress.training.progress import Progress

        data = None
        if values.data is not None:
            from tfcompress.data import load

            data = load(values.data, data_dir=values.data_dir)
        names = values.engines.split(",")
        progress = Progress(terminal.err)
        results = compare_engines(path, data, names, values.num_threads, progress)
        if values.format == "json":
            engines = [result.to_dict() for result in results]
            document = {"schema_version": SCHEMA_VERSION, "source": path}
            text = json.dumps({**document, "engines": engines}, indent=2)
            print(text, file=terminal.out)
        elif values.format == "csv":
            writer = csv.writer(terminal.out, lineterminator="\n")
            writer.writerows([_COLUMNS, *(_cells(result) for result in results)])
        else:
            _print_table(results, path, terminal.out)
    return 0


def _cells(result: EngineResult) -> list[str | float | None]:
    versions = " ".join(f"{name} {number}" for name, number in result.versions.items())
    latency = result.latency
    times: list[float | None] = [None] * 4
    if latency is not None:
        times = [latency.p10, latency.p50, latency.p90, latency.num_threads]
    scores = (result.top1, result.agreement, result.max_difference, result.max_steps)
    return [result.engine, versions, *times, *scores, result.missing]


def _print_table(results: Sequence[EngineResult], path: str, out: IO[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from tfcompress.profiling.profile import visible_text

    table = Table(title=escape(visible_text(path)), box=box.SIMPLE)
    table.add_column("engine")
    table.add_column("version", overflow="fold")
    for head in ("p10 ms", "p50 ms", "top-1", "as LiteRT", "furthest off"):
        table.add_column(head, justify="right")
    for result in results:
        table.add_row(*_texts(result))
    # No terminal, no width: as wide as all columns need.
    console = Console(file=out, width=None if out.isatty() else 140)
    console.print(table)
    for result in results:
        if result.missing:
            text = visible_text(f"{result.engine}: {result.missing}")
            console.print(text, markup=False, highlight=False)


def _texts(result: EngineResult) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    times = ["", ""]
    if result.latency is not None:
        times = [f"{result.latency.p10:.3f}", f"{result.latency.p50:.3f}"]
    shares = [result.top1, result.agreement]
    furthest = "" if result.max_difference is None else f"{result.max_difference:.2g}"
    if result.max_steps is not None:
        furthest = f"{result.max_steps} steps"
    return [
        *(result.engine, versions, *times),
        *("" if share is None else f"{share:.2%}" for share in shares),
        furthest,
    ]
