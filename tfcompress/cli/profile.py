"""`tfcompress profile`: what models hold and cost, as a table, JSON or CSV."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import IO, TYPE_CHECKING

from absl import flags

from tfcompress.cli.command import Command, UsageError, new_flags, tell
from tfcompress.cli.model_files import MODEL_FLAGS, call_on_model, define_model_flags
from tfcompress.errors import InvalidArgumentError, TfcompressError
from tfcompress.storage import write_bytes

if TYPE_CHECKING:
    from tfcompress.profiling import Profile

SCHEMA_VERSION = 1


def command() -> Command:
    """Returns the `profile` command."""
    values = _flags()
    return Command(
        usage="tfcompress profile MODEL ...",
        summary="Counts parameters, MACs, bytes and memory of models, and times files.",
        examples=(
            "tfcompress profile model.keras",
            "tfcompress profile model.tflite --per_op --memory_plot=memory.png",
            "tfcompress profile a.tflite b.tflite --format=csv --nolatency",
        ),
        groups={
            "What to measure": ("latency", "num_threads", "batch_size", "roofline"),
            "How to open Keras models": MODEL_FLAGS,
            "How to print": ("format", "per_op", "memory_plot", "debug"),
        },
        run=lambda words: _run(values, words),
        flags=values,
    )


def _flags() -> flags.FlagValues:
    values = new_flags()
    flags.DEFINE_enum(
        "format", "table", ["table", "json", "csv"], "How to print.", flag_values=values
    )
    flags.DEFINE_integer(
        "num_threads",
        1,
        "Threads of the interpreter that is timed.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "latency",
        True,
        "Run .tflite files: time, allocated memory; --nolatency does not.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "batch_size",
        1,
        "Examples in a timed run of a .tflite file.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "roofline",
        False,
        "Say whether memory or arithmetic bounds each layer here.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "per_op", False, "Show each layer in the table, too.", flag_values=values
    )
    flags.DEFINE_string(
        "memory_plot", None, "PNG to draw memory over time into.", flag_values=values
    )
    define_model_flags(values)
    return values


def _run(values: flags.FlagValues, words: list[str]) -> int:
    if not words:
        raise UsageError("expected at least one MODEL (.keras, .h5 or .tflite)")
    if values.memory_plot and len(words) > 1:
        raise UsageError("--memory_plot draws one MODEL; give one, or leave it out")
    if values.memory_plot:
        _check_picture(Path(values.memory_plot))
    from tfcompress.cli.noise import noise_to

    profiles, exit_code = [], 0
    with noise_to(None) as terminal:
        for word in words:
            # One bad file must not cost what is known of the others.
            try:
                profiles.append(_profile(word, values))
            except TfcompressError as error:
                tell(f"error: {error}", values.debug, terminal.err)
                exit_code = error.exit_code
        if profiles and values.format == "table":
            _write_table(profiles, terminal.out, values.per_op)
        elif profiles:
            _WRITERS[values.format](profiles, terminal.out, len(words) > 1)
        if profiles and values.memory_plot:
            _draw(profiles[0], values.memory_plot)
    return exit_code


def _check_picture(path: Path) -> None:
    """Refuses a name that no picture can be written to before seconds go into it."""
    if path.suffix.lower() != ".png":
        raise InvalidArgumentError(
            f"--memory_plot={path} is no PNG file; expected a name ending in .png"
        )
    if not path.parent.is_dir():
        raise InvalidArgumentError(
            f"--memory_plot={path}: there is no folder {path.parent}; expected one "
            "that exists: make it, or name another"
        )


def _profile(path: str, values: flags.FlagValues) -> Profile:
    from tfcompress.profiling.profile import Profile, profile, with_options
    from tfcompress.profiling.tflite_graph import is_tflite

    options = (values.latency, values.num_threads, values.batch_size, values.roofline)
    if is_tflite(path):
        return with_options(profile(path, latency=False), *options)
    return with_options(
        Profile.from_dict(call_on_model("profile", path, values)), *options
    )


def _write_table(profiles: list[Profile], out: IO[str], per_op: bool) -> None:
    from rich.console import Console

    from tfcompress.profiling.table import profile_table, runtime_table, totals_table

    # No terminal, no width: as wide as all columns need.
    console = Console(file=out, width=None if out.isatty() else 140)
    for profile in profiles:
        console.print(totals_table(profile))
        if per_op:
            console.print(profile_table(profile, console.width))
        if per_op and profile.runtime_ops:
            console.print(runtime_table(profile))


def _draw(profile: Profile, path: str) -> None:
    from tfcompress.profiling.memory_plot import plot_memory

    content = io.BytesIO()
    plot_memory(profile).savefig(content, format="png", dpi=150)
    write_bytes(Path(path), content.getvalue())


def _write_json(profiles: list[Profile], out: IO[str], several: bool) -> None:
    """Writes one object, or a list of them where several models were asked for."""
    documents = [
        {"schema_version": SCHEMA_VERSION, **profile.to_dict()} for profile in profiles
    ]
    document = documents if several else documents[0]
    print(json.dumps(document, indent=2, allow_nan=False), file=out)


def _write_csv(profiles: list[Profile], out: IO[str], several: bool) -> None:
    """Writes one table; its first column names the model."""
    del several
    for position, profile in enumerate(profiles):
        lines = profile.to_csv().splitlines()
        print("\n".join(lines[1:] if position else lines), file=out)


_WRITERS = {"json": _write_json, "csv": _write_csv}
