import io
import re

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from tfcompress.training.progress import Progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def play(progress):
    progress.plan([("00_training", 8), ("01_pruning", 8)])
    progress.begin("00_training")
    for epoch in (1, 2):
        for _ in range(4):
            progress.step()
        progress.epoch(epoch, 2, {"loss": 0.123456, "val_accuracy": 0.75})
    progress.end("00_training", summary="top-1 75.00 %")
    progress.begin("01_pruning")
    progress.step(4)
    progress.message("exporting")
    progress.close()


def test_a_log_gets_one_line_an_epoch():
    stream = io.StringIO()
    play(Progress(stream))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert re.fullmatch(
        r"\[1/2\] 00_training  epoch 1/2  loss 0.1235  val_accuracy 0.75  \d+ s left",
        lines[0],
    )
    assert "epoch 2/2" in lines[1]
    assert lines[2:] == ["[1/2] 00_training  top-1 75.00 %", "exporting"]


def test_a_terminal_gets_a_bar_of_the_whole_recipe(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    play(Progress(stream))
    text = stream.getvalue()
    # The first stage is half of the recipe's steps.
    assert "[1/2] 00_training  ━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌   50%" in text
    assert "exporting\n" in text.replace("\r", "")
    # The cursor is shown again when the bar goes.
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_dumb_terminal_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    play(Progress(stream))
    assert len(stream.getvalue().splitlines()) == 4


@pytest.fixture
def published():
    """What a notebook is sent, by IPython's own publisher."""
    shell = InteractiveShell.instance()
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    yield shell.display_pub.outputs
    shell.display_pub = before
    InteractiveShell.clear_instance()


def test_a_notebook_gets_one_display(published):
    play(Progress(io.StringIO(), mode="notebook"))
    assert len({output["transient"]["display_id"] for output in published}) == 1
    assert [output["update"] for output in published[:2]] == [False, True]
    *above, bar = published[-1]["data"]["text/plain"].splitlines()
    assert above == ["[1/2] 00_training  top-1 75.00 %", "exporting"]
    assert bar.startswith("[2/2] 01_pruning")
    assert " 75%" in bar


def test_silent_writes_nothing():
    stream = io.StringIO()
    play(Progress(stream, mode="silent"))
    assert stream.getvalue() == ""


def test_skipped_steps_count_for_the_bar_but_not_for_the_pace(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(stream, mode="lines")
    progress.plan([("a", 60), ("b", 100)])
    progress.begin("a")
    progress.skip(50)
    for _ in range(5):
        now[0] += 1.0
        progress.step()
    progress.epoch(1, 1, {})
    # 160 - 50 - 5 = 105 steps at one second each.
    assert stream.getvalue().endswith("1 min 45 s left\n")
    # A stage that stops early does not owe its last five steps.
    progress.end("a")
    progress.begin("b")
    progress.epoch(0, 1, {})
    assert stream.getvalue().endswith("1 min 40 s left\n")


@pytest.mark.parametrize("mode", ["lines", "bar"])
def test_names_are_neither_markup_nor_escape_codes(mode):
    stream = io.StringIO()
    progress = Progress(stream, mode=mode)
    progress.plan([("conv[/] [red]x\x1b[2J", 2)])
    progress.begin("conv[/] [red]x\x1b[2J")
    progress.epoch(1, 1, {"loss": 1.0})
    progress.message("see [/] and\x1b[2J")
    progress.close()
    assert "conv[/] [red]x?[2J" in stream.getvalue()
    assert "see [/] and?[2J" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()


def test_without_a_plan():
    stream = io.StringIO()
    progress = Progress(stream, mode="lines")
    progress.step()
    progress.epoch(1, 1, {"loss": 1.0})
    assert "epoch 1/1  loss 1" in stream.getvalue()


def test_default_stream_is_standard_error(capsys):
    progress = Progress(mode="lines")
    progress.message("hello")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")
