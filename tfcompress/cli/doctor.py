"""`tfcompress doctor`: which techniques a model can take, layer by layer."""

from __future__ import annotations

import json
import shutil
import sys

from absl import flags

from tfcompress.cli.command import Command, UsageError, new_flags
from tfcompress.cli.model_files import MODEL_FLAGS, call_on_model, define_model_flags

SCHEMA_VERSION = 1


def command() -> Command:
    """Returns the `doctor` command."""
    values = new_flags()
    flags.DEFINE_enum(
        "format", "table", ["table", "json"], "How to print.", flag_values=values
    )
    define_model_flags(values)
    return Command(
        usage="tfcompress doctor MODEL",
        summary="Says, layer by layer, which techniques a model can take, and why not.",
        examples=(
            "tfcompress doctor model.keras",
            "tfcompress doctor saved_model_folder --format=json",
            "tfcompress doctor model.h5 --allow_unsafe",
        ),
        groups={
            "How to open the model": MODEL_FLAGS,
            "How to print": ("format", "debug"),
        },
        run=lambda words: _run(values, words),
        flags=values,
    )


def _run(values: flags.FlagValues, words: list[str]) -> int:
    if len(words) != 1:
        raise UsageError(f"expected one MODEL, got {len(words)}")
    found = call_on_model("diagnose", words[0], values)
    if values.format == "json":
        document = {"schema_version": SCHEMA_VERSION, **found}
        print(json.dumps(document, indent=2, allow_nan=False))
        return 0
    from rich.console import Console

    from tfcompress.diagnosis import Diagnosis
    from tfcompress.diagnosis_table import diagnosis_table

    width = shutil.get_terminal_size((120, 24)).columns
    console = Console(file=sys.stdout, width=width)
    console.print(diagnosis_table(Diagnosis.from_dict(found), width))
    return 0
