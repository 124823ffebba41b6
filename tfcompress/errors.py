"""The errors a user can cause or meet: each one line of what, expected, mend.

Every message is complete by itself: the command line prints it as it stands, with
no traceback, and exits with `exit_code`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self


class TfcompressError(Exception):
    """Base of all errors that tfcompress raises on purpose."""

    exit_code = 1
    _file: ClassVar[str] = "a file"

    @classmethod
    def not_a_file(cls, path: str | Path) -> Self:
        """Returns the error for a path at which there is no file such as is expected.

        Args:
          path: as the user gave it.
        """
        # The path of an empty text would be the current folder.
        is_folder = bool(str(path)) and Path(path).is_dir()
        what = "is a folder" if is_folder else "does not exist"
        return cls(f"{str(path) or repr('')} {what}; expected {cls._file}")

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

    _file = "a model file: check the path"


class RecipeError(TfcompressError, ValueError):
    """A recipe is missing, malformed, or asks for an impossible order."""

    _file = "a Python file that defines RECIPE, such as recipes/quickstart.py"


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
