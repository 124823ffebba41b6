"""`tfcompress compare`: runs, models and files side by side."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from absl import flags

from tfcompress.cli.command import Command, UsageError, new_flags
from tfcompress.cli.model_files import MODEL_FLAGS, call_on_model, define_model_flags
from tfcompress.storage import write_bytes, writing

if TYPE_CHECKING:
    from tfcompress.reporting.comparison import Comparison

_FORMATS = ("table", "markdown", "csv", "json")


def command() -> Command:
    """Returns the `compare` command."""
    values = _flags()
    return Command(
        usage="tfcompress compare RUN_OR_MODEL ...",
        summary="Compares runs, models and files, and marks those that no other beats.",
        examples=(
            "tfcompress compare runs/a runs/b --diff_only --output=compared",
            "tfcompress compare a.keras b.tflite --data=npz:d.npz --robustness=500",
            "tfcompress compare runs/a runs/b --axes=top1,latency_ms --format=csv",
        ),
        groups={
            "What to compare": ("axes", "diff_only", "data", "data_dir"),
            "How to measure": ("latency", "num_threads", "robustness"),
            "How to open Keras models": MODEL_FLAGS,
            "Where and how": ("output", "format", "debug"),
        },
        run=lambda words: _run(values, words),
        flags=values,
    )


def _flags() -> flags.FlagValues:
    values = new_flags()
    flags.DEFINE_string(
        "axes",
        "top1,size_bytes",
        "Figures of the front; others: latency_ms, macs, ...",
        flag_values=values,
    )
    for name, default, text in (
        ("diff_only", False, "Show only what differs."),
        ("latency", True, "Time all .tflite files in alternation; --nolatency: don't."),
    ):
        flags.DEFINE_boolean(name, default, text, flag_values=values)
    for name, text in (
        ("data", "Data set to measure the accuracy on, of what is no run."),
        ("data_dir", "Folder that holds it, if it is not found."),
        ("output", "Folder for the tables, report.html and pictures."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values)
    for name, number, text in (
        ("num_threads", 1, "Threads of the interpreters that are timed."),
        ("robustness", None, "Test images to change, for each model and the first."),
    ):
        flags.DEFINE_integer(name, number, text, lower_bound=1, flag_values=values)
    flags.DEFINE_enum(
        "format", "table", list(_FORMATS), "How to print.", flag_values=values
    )
    define_model_flags(values)
    return values


def _run(values: flags.FlagValues, words: list[str]) -> int:
    if not words:
        raise UsageError("expected at least one RUN_OR_MODEL: a folder or a file")
    from tfcompress.cli.noise import noise_to

    with noise_to(None) as terminal:
        from tfcompress.reporting.compare import Measuring
        from tfcompress.reporting.comparison import checked_axes
        from tfcompress.reporting.subjects import check_path
        from tfcompress.training.progress import Progress

        axes = checked_axes(values.axes.split(","))
        for word in words:
            check_path(word)
        if values.output:
            # Before minutes go into what could not be written.
            with writing(values.output):
                Path(values.output).mkdir(parents=True, exist_ok=True)
        measuring = Measuring(
            _data(values),
            _perturbations(values),
            values.latency,
            values.num_threads,
            Progress(terminal.err),
        )
        comparison = measuring.compared(
            [_subject(word, values) for word in words], axes
        )
        if values.output:
            _write(comparison, Path(values.output), values.diff_only)
        _print(comparison, values, terminal.out)
    return 0


def _subject(path: str, values: flags.FlagValues) -> Any:
    """Returns a run or .tflite file as it is, a Keras model as a child profiles it.

    What was harmless in the limited child, which loads it and runs each layer, is so
    where this process loads it to score it: loading runs nothing that a file brings.
    """
    from tfcompress.profiling import Profile
    from tfcompress.profiling.tflite_graph import is_tflite
    from tfcompress.reporting.finished_run import is_run

    if is_run(Path(path)) or is_tflite(path):
        return path
    found = Profile.from_dict(call_on_model("profile", path, values))
    if values.data is not None and values.allow_unsafe:
        from tfcompress.cli.model_jobs import trust

        trust(path)
    return found


def _data(values: flags.FlagValues) -> Any:
    if values.data is None:
        return None
    from tfcompress.data import load

    return load(values.data, data_dir=values.data_dir)


def _perturbations(values: flags.FlagValues) -> Any:
    if values.robustness is None:
        return None
    from tfcompress.quality.robustness.perturbations import Perturbations

    return Perturbations(num_images=values.robustness)


def _write(comparison: Comparison, folder: Path, diff_only: bool) -> None:
    from tfcompress.reporting.pictures import comparison_pictures

    texts = {
        "comparison.json": comparison.to_json(diff_only),
        "comparison.csv": comparison.to_csv(diff_only),
        "comparison.md": comparison.to_markdown(diff_only),
        "report.html": comparison.to_html(diff_only),
    }
    for name, text in texts.items():
        write_bytes(folder / name, text.encode())
    for name, picture in comparison_pictures(comparison).items():
        write_bytes(folder / name, picture)


def _print(comparison: Comparison, values: flags.FlagValues, out: IO[str]) -> None:
    if values.format == "json":
        print(comparison.to_json(values.diff_only), file=out)
    elif values.format == "csv":
        print(comparison.to_csv(values.diff_only), end="", file=out)
    elif values.format == "markdown":
        print(comparison.to_markdown(values.diff_only), end="", file=out)
    else:
        _print_tables(comparison, values.diff_only, out)


def _print_tables(comparison: Comparison, diff_only: bool, out: IO[str]) -> None:
    from rich.console import Console

    from tfcompress.reporting.comparison_table import comparison_tables

    # No terminal, no width: as wide as all columns need.
    console = Console(file=out, width=None if out.isatty() else 160)
    for table in comparison_tables(comparison, diff_only):
        console.print(table)
    for tried in comparison.tried():
        console.print(f"{tried.result}\n", markup=False, highlight=False)
    for note in comparison.notes:
        console.print(note, markup=False, highlight=False)
