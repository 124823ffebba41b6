"""Progress: how far a recipe is, for a terminal, a log file or a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, Literal

from rich.console import Console
from rich.live import Live
from rich.text import Text

_BAR_WIDTH = 24
_REDRAW_SECONDS = 0.2

Mode = Literal["auto", "bar", "lines", "notebook", "silent"]


class Progress:
    """Shows the stage under way, its last epoch and the time left for all stages.

    A terminal gets one live bar, a notebook one display that is updated, anything
    else one line an epoch: a log must not grow with the number of steps.

    Args:
      stream: where to write; standard error if None.
      mode: `auto` looks at the stream and whether a notebook is running.

    Example:
      >>> progress = Progress()
      >>> progress.plan([("00_training", 400), ("01_pruning", 200)])
      >>> progress.begin("00_training")
      >>> progress.step()
      >>> progress.epoch(1, 2, {"loss": 0.5})
      >>> progress.end("00_training", summary="92.1 %")
      >>> progress.close()
    """

    def __init__(self, stream: IO[str] | None = None, mode: Mode = "auto"):
        self._stream = stream if stream is not None else sys.stderr
        self._mode = _detect(self._stream) if mode == "auto" else mode
        # Plain text only, never markup: names come from files.
        self._console = Console(
            file=self._stream,
            highlight=False,
            soft_wrap=True,
            force_terminal=self._mode == "bar",
        )
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._full, self._rest = "━╌" if "utf" in encoding.lower() else "#-"
        self._plan: dict[str, int] = {}
        self._stage = ""
        self._done = 0  # steps of the stage under way, skipped ones included
        self._before = 0  # steps of the stages that ended
        self._metrics = ""
        self._timed_steps = 0
        self._began = time.monotonic()
        self._seconds_per_step: float | None = None
        self._drawn = 0.0
        self._live: Live | None = None
        self._display: Any = None
        self._lines: list[str] = []  # what a notebook shows above the bar

    def plan(self, stages: Sequence[tuple[str, int]]) -> None:
        """Sets all stages of the recipe, in order, each with its training steps."""
        self._plan = dict(stages)

    def begin(self, name: str) -> None:
        """Starts a stage; its time counts from now on."""
        self._plan.setdefault(name, 0)
        self._stage, self._done, self._metrics = name, 0, ""
        self._began, self._timed_steps = time.monotonic(), 0
        self._draw(now=True)

    def step(self, n: int = 1) -> None:
        """Counts `n` training steps that were just made."""
        self._done += n
        self._timed_steps += n
        elapsed = time.monotonic() - self._began
        self._seconds_per_step = elapsed / self._timed_steps
        self._draw()

    def skip(self, n: int) -> None:
        """Counts `n` training steps that an earlier process made."""
        self._done += n

    def epoch(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """Shows what epoch `epoch` of `epochs` (from 1) measured."""
        shown = [f"{name} {value:.4g}" for name, value in metrics.items()]
        self._metrics = "  ".join([f"epoch {epoch}/{epochs}", *shown])
        if self._mode == "lines":
            self._print(f"{self._heading()}  {self._metrics}  {self._time_left()}")
        self._draw(now=True)

    def end(self, name: str, summary: str = "") -> None:
        """Ends a stage, whether or not all its steps were made or needed."""
        if summary:
            self._print(f"{self._heading(name)}  {summary}")
        self._before += self._plan.get(name, 0)
        self._stage, self._done, self._metrics = "", 0, ""

    def message(self, text: str) -> None:
        """Prints one line, above the bar where there is one."""
        self._print(text)

    def close(self) -> None:
        """Removes the bar of a terminal; what was printed stays."""
        if self._live:
            self._live.stop()
            self._live = None

    def _time_left(self) -> str:
        """Says how long the rest takes at the pace of the newest steps' stage."""
        if self._seconds_per_step is None:
            return ""
        steps = max(0, sum(self._plan.values()) - self._before - self._done)
        minutes, seconds = divmod(round(steps * self._seconds_per_step), 60)
        return f"{minutes} min {seconds:02d} s left" if minutes else f"{seconds} s left"

    def _heading(self, name: str | None = None) -> str:
        name = self._stage if name is None else name
        place = list(self._plan).index(name) + 1 if name in self._plan else 0
        return f"[{place}/{len(self._plan)}] {_printable(name)}" if place else ""

    def _line(self) -> str:
        parts = [self._heading(), *self._bar(), self._metrics]
        return "  ".join(part for part in parts if part)

    def _bar(self) -> list[str]:
        """Returns bar, share and time left; nothing where no stages were planned."""
        total = sum(self._plan.values())
        if not total:
            return []
        share = min(1.0, (self._before + self._done) / total)
        bar = (self._full * int(share * _BAR_WIDTH)).ljust(_BAR_WIDTH, self._rest)
        return [bar, f"{share:4.0%}", self._time_left()]

    def _print(self, text: str) -> None:
        if self._mode == "notebook":
            self._lines.append(_printable(text))
            self._draw(now=True)
        elif self._mode != "silent":
            self._console.print(Text(_printable(text)))

    def _draw(self, now: bool = False) -> None:
        if self._mode in ("lines", "silent"):
            return
        if not now and time.monotonic() - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = time.monotonic()
        if self._mode == "bar":
            if self._live is None:
                # No thread of its own: profiling forks.
                self._live = Live(
                    console=self._console,
                    transient=True,
                    auto_refresh=False,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                self._live.start()
            line = Text(self._line(), no_wrap=True, overflow="ellipsis")
            self._live.update(line, refresh=True)
        else:
            self._update_notebook()

    def _update_notebook(self) -> None:
        from IPython import display as notebook

        display: Any = notebook.display
        data = {"text/plain": "\n".join([*self._lines, self._line()])}
        if self._display is None:
            self._display = display(data, raw=True, display_id=True)
        else:
            self._display.update(data, raw=True)


def _printable(text: str) -> str:
    """Returns `text` with control characters, such as a terminal's ESC, as `?`."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _detect(stream: IO[str]) -> Mode:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None and type(shell).__name__ == "ZMQInteractiveShell":
        return "notebook"
    console = Console(file=stream)
    return "bar" if console.is_terminal and not console.is_dumb_terminal else "lines"
