"""What every command has: flags, a help page with examples, errors on one line.

absl parses the flags. What surrounds it is ours: absl's `--help` exits with 1 and
lists no flag of an installed script, and its errors print tracebacks.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from absl import flags

from tfcompress.errors import TfcompressError


class UsageError(TfcompressError):
    """The command line itself is wrong."""

    exit_code = 2


def new_flags() -> flags.FlagValues:
    """Returns the flags that every command has."""
    values = flags.FlagValues()
    # Without this, absl stops at the first word that is no flag.
    values.set_gnu_getopt(True)
    flags.DEFINE_boolean(
        "debug", False, "Show the traceback of an error.", flag_values=values
    )
    return values


def tell(text: str, debug: bool, err: IO[str] | None = None) -> None:
    """Prints one line, free of control characters that a file may have brought in.

    Args:
      text: to print.
      debug: whether the traceback of the error that is being handled comes first.
      err: where to; None is standard error.
    """
    err = err or sys.stderr
    if debug:
        traceback.print_exc(file=err)
    line = " ".join(text.split())
    print("".join(c if c.isprintable() else "?" for c in line), file=err)


@dataclass(frozen=True)
class Command:
    """One word after `tfcompress`.

    Args:
      usage: the command line, such as `tfcompress run RECIPE.py`.
      summary: what it does, in one sentence.
      examples: command lines to copy.
      groups: names of flags by the heading they are listed under.
      run: does the work, given the words that are no flags; returns the exit code.
      flags: the flags; parsed before `run` is called.
    """

    usage: str
    summary: str
    examples: Sequence[str]
    groups: Mapping[str, Sequence[str]]
    run: Callable[[list[str]], int]
    flags: flags.FlagValues = field(repr=False)

    def parse(self, words: Sequence[str]) -> list[str]:
        """Sets the flags from `words`; returns the words that are no flags.

        Raises:
          UsageError: an unknown flag (with the nearest name), or a wrong value.
        """
        try:
            remaining: list[str] = self.flags([self.usage, *words])[1:]
        except flags.Error as error:
            # absl puts a space before its question mark.
            raise UsageError(str(error).replace(" ?", "?")) from error
        return remaining

    def help(self) -> str:
        """Returns the help page: a sentence, examples, flags with their defaults."""
        lines = [self.summary, "", f"Usage: {self.usage} [flags]", "", "Examples:"]
        lines += [f"  {example}" for example in self.examples]
        for heading, names in self.groups.items():
            lines += ["", f"{heading}:"]
            lines += [self._flag_line(name) for name in names]
        return "\n".join(lines)

    def _flag_line(self, name: str) -> str:
        flag = self.flags[name]
        shown = f"--{name}" if flag.boolean else f"--{name}=..."
        default = ""
        if flag.boolean:
            default = f" (default: {'on' if flag.default else 'off'})"
        elif flag.default not in (None, []):
            default = f" (default: {flag.default})"
        # absl adds a second line to the help of a flag that may be repeated.
        text = flag.help.partition(";\n")[0]
        return f"  {shown:<18} {text}{default}"
