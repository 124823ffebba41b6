"""Flags and limits under which the command line opens model files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from absl import flags

from tfcompress.errors import ModelError

MODEL_FLAGS = ("allow_unsafe", "max_model_bytes")
_MAX_MODEL_BYTES = 8 << 30
# Python, TensorFlow and what they need to read any model at all.
_OVERHEAD_BYTES = 2 << 30


def define_model_flags(values: flags.FlagValues) -> None:
    """Adds the flags of `MODEL_FLAGS`."""
    flags.DEFINE_boolean(
        "allow_unsafe",
        False,
        "Run code that a model file brings along; only if you trust it.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "max_model_bytes",
        _MAX_MODEL_BYTES,
        "Memory for weights and activations of a model.",
        lower_bound=1,
        flag_values=values,
    )


def call_on_model(
    job: str, path: str, values: flags.FlagValues, *arguments: Any
) -> Any:
    """Returns what a function of `model_jobs` makes of a model file, in a child.

    Args:
      job: name of the function.
      path: of the file or folder.
      values: the flags of `MODEL_FLAGS`.
      *arguments: what the function takes after these.

    Raises:
      TfcompressError: the file is missing, refused, or too much for the limits.
    """
    from tfcompress.child import Limits, call_in_child

    if not path or not Path(path).exists():
        raise ModelError.not_a_file(path)
    check_no_run(path)
    return call_in_child(
        f"tfcompress.cli.model_jobs:{job}",
        path,
        values.max_model_bytes,
        values.allow_unsafe,
        *arguments,
        subject=path,
        limits=Limits(memory_bytes=values.max_model_bytes + _OVERHEAD_BYTES),
    )


def check_no_run(path: str) -> None:
    """Raises ModelError if a model is asked for and the folder of a run is given."""
    from tfcompress.reporting.finished_run import is_run

    if is_run(Path(path)):
        raise ModelError(
            f"{path} is the folder of a run; expected a model: name a file in it, "
            "model.tflite or stages/*/model.keras, or give the folder to "
            "tfcompress compare"
        )
