import io

from rich.console import Console

from tfcompress.profiling.profile import LayerProfile, Profile, Totals
from tfcompress.profiling.table import profile_table


def rendered(profile):
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(profile_table(profile))
    return console.file.getvalue()


def test_rows_totals_and_caption():
    layers = (
        LayerProfile("in", "InputLayer", (8, 8, 1), 0, 0, 0),
        LayerProfile("stem", "Conv2D", (8, 8, 200), 2000, 1100, 115200, 1800, 900),
    )
    latency_ms = {"p10": 0.1, "p50": 0.25, "p90": 1.5, "num_runs": 9, "num_threads": 2}
    totals = Totals(2000, 1999, 1100, 115200, 0.5, 8123, 4321, latency_ms)
    text = rendered(Profile("a.tflite", "tflite", totals, layers))
    rows = [line.replace("│", " ").split() for line in text.splitlines()]
    assert ["in", "InputLayer", "8x8x1"] in rows
    stem = ["stem", "Conv2D", "8x8x200", "2,000", "1,100", "50.0%", "115,200"]
    assert stem in rows
    assert ["total", "2,000", "1,100", "50.0%", "115,200"] in rows
    assert "1,999 trainable parameters, 8,123 bytes, 4,321 bytes gzipped" in text
    assert "latency p10/p50/p90 0.100/0.250/1.500 ms, threads: 2" in text


def test_markup_in_names_is_text():
    layers = (LayerProfile("conv[/]", "[red]", (1,), 0, 0, 0),)
    text = rendered(Profile("[bold]a[/]", "keras", Totals.of(layers), layers))
    assert "conv[/]" in text
    assert "[red]" in text
    assert "[bold]a[/]" in text


def test_control_characters_in_names_do_not_reach_the_terminal():
    layers = (LayerProfile("\x1b[31mconv", "a\x9bb", (1,), 0, 0, 0),)
    text = rendered(Profile("x\x1b]0;title\x07", "keras", Totals.of(layers), layers))
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert r"\x1b[31mconv" in text
    assert r"a\x9bb" in text
    assert r"x\x1b]0;title\x07" in text
