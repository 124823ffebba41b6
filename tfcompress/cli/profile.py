"""`tfcompress profile`: what models hold and cost, as a table, JSON or CSV."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING

from absl import flags

from tfcompress.cli.command import Command, UsageError, new_flags, tell
from tfcompress.cli.model_files import MODEL_FLAGS, call_on_model, define_model_flags
from tfcompress.errors import TfcompressError

if TYPE_CHECKING:
    from tfcompress.profiling import Profile

SCHEMA_VERSION = 1


def command() -> Command:
    """Returns the `profile` command."""
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
        "latency", True, "Time .tflite files; --nolatency does not.", flag_values=values
    )
    define_model_flags(values)
    return Command(
        usage="tfcompress profile MODEL ...",
        summary="Counts parameters, MACs, zeros and bytes of models, layer by layer.",
        examples=(
            "tfcompress profile model.keras",
            "tfcompress profile runs/quickstart/model.tflite --num_threads=2",
            "tfcompress profile a.tflite b.tflite --format=csv --nolatency",
        ),
        groups={
            "What to measure": ("latency", "num_threads"),
            "How to open Keras models": MODEL_FLAGS,
            "How to print": ("format", "debug"),
        },
        run=lambda words: _run(values, words),
        flags=values,
    )


def _run(values: flags.FlagValues, words: list[str]) -> int:
    if not words:
        raise UsageError("expected at least one MODEL (.keras, .h5 or .tflite)")
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
        if profiles:
            _WRITERS[values.format](profiles, terminal.out, len(words) > 1)
    return exit_code


def _profile(path: str, values: flags.FlagValues) -> Profile:
    from tfcompress.profiling import Profile, profile
    from tfcompress.profiling.tflite_graph import is_tflite

    if is_tflite(path):
        latency, num_threads = values.latency, values.num_threads
        return profile(path, latency=latency, num_threads=num_threads)
    return Profile.from_dict(call_on_model("profile", path, values))


def _write_table(profiles: list[Profile], out: IO[str], several: bool) -> None:
    del several
    from rich.console import Console

    from tfcompress.profiling.table import profile_table

    console = Console(file=out, width=None if out.isatty() else 120)
    for profile in profiles:
        console.print(profile_table(profile))


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


_WRITERS = {"table": _write_table, "json": _write_json, "csv": _write_csv}
