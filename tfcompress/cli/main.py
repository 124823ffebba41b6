"""`tfcompress`: the first word picks the command."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Sequence

from tfcompress.cli import compare, doctor, engines, profile, run
from tfcompress.cli.command import Command, UsageError, tell
from tfcompress.cli.signals import Stopped, stoppable
from tfcompress.errors import TfcompressError

COMMANDS: dict[str, Callable[[], Command]] = {
    "run": run.command,
    "profile": profile.command,
    "doctor": doctor.command,
    "compare": compare.command,
    "engines": engines.command,
}

_HELP = """\
Compresses Keras vision models to int8 TFLite, and reports what every step cost.

Usage: tfcompress COMMAND ... [flags]

Examples:
  tfcompress run recipes/quickstart.py
  tfcompress profile model.keras model.tflite
  tfcompress doctor model.keras
  tfcompress compare runs/a runs/b --output=compared
  tfcompress run --help

Commands:
{commands}

Every command takes --help, and --debug to show the traceback of an error.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line `words` (those of the process if None).

    Returns:
      The exit code: 0 done; 1 it failed, and one line on standard error says why; 2
      wrong usage; 3 finished, but a promise was not kept. A signal ends the process
      with 128 plus its number: 130 for Ctrl-C, 143 for SIGTERM.
    """
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    with stoppable():
        try:
            return _dispatch(words)
        except Stopped as stopped:
            tell(f"stopped by {stopped}; the same command goes on from there", debug)
            # Not the orderly way out: native threads may hold that up without end.
            os._exit(stopped.exit_code)
        except TfcompressError as error:
            tell(f"error: {error}", debug)
            return error.exit_code
        except KeyboardInterrupt:
            tell("stopped by KeyboardInterrupt", debug)
            return 130
        except BrokenPipeError:
            # The reader (`| head`) has enough; Python would complain again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 0
        except OSError as error:
            tell(f"error: {error}; check that path and the disk", debug)
            return 1
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            tell(f"error: {what}; unexpected: --debug shows where", debug)
            return 1


def _dispatch(words: list[str]) -> int:
    if not words:
        raise UsageError(f"expected a command: {', '.join(COMMANDS)}; see --help")
    name, *rest = words
    if name in ("--help", "-h", "help"):
        summaries = (f"  {word:<9}{make().summary}" for word, make in COMMANDS.items())
        print(_HELP.format(commands="\n".join(summaries)), end="")
        return 0
    if name == "--version":
        from importlib.metadata import version

        print(f"tfcompress {version('tfcompress')}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(COMMANDS)}"
        raise UsageError(f"there is no command {name!r}: {hint}")
    command = COMMANDS[name]()
    if {"--help", "-h"} & set(rest):
        print(command.help())
        return 0
    try:
        return command.run(command.parse(rest))
    except UsageError as error:
        raise UsageError(f"{error}; see tfcompress {name} --help") from error
