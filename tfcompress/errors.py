"""The errors a user can cause or meet: each one line of what, expected, mend.

Every message is complete by itself: the command line prints it as it stands, with
no traceback, and exits with `exit_code`.
"""

from __future__ import annotations

from typing import Any


class TfcompressError(Exception):
    """Base of all errors that tfcompress raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        """Returns the message in one line that a terminal shows and does not obey.

        Names that come from files are part of messages.
        """
        return "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode()
            for char in " ".join(super().__str__().splitlines())
        )


class InvalidArgumentError(TfcompressError, ValueError):
    """An argument of a public function or stage is outside its range."""


class DataError(TfcompressError, ValueError):
    """A data set is missing, damaged, or not what was declared."""


class ModelError(TfcompressError, ValueError):
    """A model or model file cannot be read, is not trusted, or does not fit."""


class ModelNotFoundError(ModelError):
    """There is no model at a path.

    Args:
      path: as the user gave it.
    """

    def __init__(self, path: object):
        super().__init__(f"{path} does not exist; expected a model file.")


class RecipeError(TfcompressError, ValueError):
    """A recipe is missing, malformed, or asks for an impossible order."""


class TrainingError(TfcompressError, RuntimeError):
    """Training went wrong (a NaN loss) and was stopped."""


class ExportError(TfcompressError, RuntimeError):
    """A model cannot be converted, or the file is not what was asked for."""


class FloatOpError(ExportError):
    """An export that promised integers only left a float operator."""

    exit_code = 3


class WorkdirError(TfcompressError, RuntimeError):
    """A run folder cannot be written, is in use, damaged, or another recipe's."""


class PromiseNotMetError(TfcompressError):
    """The work was finished, but a promise of the recipe was not kept.

    Args:
      message: what, by how much, and how to mend it.
      report: the report of the finished run.
    """

    exit_code = 3

    def __init__(self, message: str, report: Any = None):
        super().__init__(message)
        self.report = report
