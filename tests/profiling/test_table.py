import io

from rich.console import Console

from tfcompress.profiling.arenas import Arena
from tfcompress.profiling.energy import Energy
from tfcompress.profiling.memory_plan import MemoryPlan
from tfcompress.profiling.profile import LayerProfile, Profile, Totals
from tfcompress.profiling.roofline import Roofline
from tfcompress.profiling.runtime_ops import RuntimeOp
from tfcompress.profiling.table import profile_table, runtime_table, totals_table


def rendered(profile, width=140):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(totals_table(profile))
    console.print(profile_table(profile, width))
    return console.file.getvalue()


LATENCY = {
    **{"p10": 0.1, "p50": 0.25, "p90": 1.5, "mean": 0.5, "num_runs": 9},
    **{"num_threads": 2, "batch_size": 1, "num_warm_up_runs": 3, "cores": [0, 1]},
    "examples_per_second": 4000.0,
}


def test_rows_totals_and_caption():
    layers = (
        LayerProfile("in", "InputLayer", (8, 8, 1), 0, 0, 0),
        LayerProfile(
            *("stem", "Conv2D", (8, 8, 200), 2000, 1100, 115200, 1800, 900),
            flops=240400,
            read_bytes=3000,
            written_bytes=1000,
        ),
    )
    totals = Totals(
        *(2000, 1999, 1100, 115200, 0.5, 8123, 4321, LATENCY, 1990, 240400),
        weight_bytes={"int8": 1800, "int32": 800},
        other_bytes=5523,
        read_bytes=3000,
        written_bytes=1000,
        peak_memory_bytes=14400,
        peak_op="stem",
        modelled_energy=Energy("modelled", 0.25, "a table", 0.1, 0.15),
        measured_energy=Energy("measured", 4.0, "counters"),
    )
    profile = Profile(
        *("a.tflite", "tflite", totals, layers),
        memory=MemoryPlan(14400, 1, (64, 12864)),
        arenas=(Arena("LiteRT", 14464), Arena("TensorFlow Lite Micro", 14400, 999)),
        roofline=Roofline(1e9, {"float32": 2e9}, 1),
        notes=("1 CUSTOM:Odd not counted",),
    )
    text = rendered(profile)
    rows = [line.replace("│", " ").split() for line in text.splitlines()]
    assert ["in", "InputLayer", "8x8x1", "64"] in rows
    stem = ["stem", "Conv2D", "8x8x200", "2,000", "1,100", "50.0%", "115,200"]
    stem += ["3,000", "1,000", "60.1", "12,864", "compute"]
    assert stem in rows
    footer = ["total", "2,000", "1,100", "50.0%", "115,200", "3,000", "1,000", "12,864"]
    assert footer in rows
    for line in (
        "2,000, 1,100 of them not zero, 1,999 trainable",
        "1,990",
        "1,800 bytes int8, 800 bytes int32",
        "8,123 bytes, 4,321 gzipped",
        "5,523 bytes",
        "14,400 bytes, at stem (Conv2D, 2 of 2)",
        "14,464 bytes",
        "14,400 bytes, and 999 of bookkeeping",
        "p10/p50/p90 0.100/0.250/1.500 ms, mean 0.500 ms",
        "9 runs of 1 after 3, threads: 2, pinned to 0, 1",
        "4,000.0 a second",
        "energy, measured 4 mJ (counters)",
        "energy, modelled 0.25 mJ (a table)",
        # 115,200 MACs at 2,000 million a second.
        "0 of 1 layers bound by memory; not below 0.058 ms",
        "1 CUSTOM:Odd not counted",
    ):
        assert line in " ".join(text.split()), line


def test_a_narrow_terminal_has_the_columns_that_fit():
    layers = (LayerProfile("stem", "Conv2D", (8, 8, 2), 20, 10, 1152, 18, 9),)
    profile = Profile("a", "keras", Totals.of(layers), layers)
    text = rendered(profile, width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert "1,152" in text and "8x8x2" not in text
    assert "8x8x2" in rendered(profile, width=100)


def test_operators_of_the_runtime_have_their_share():
    ops = (RuntimeOp("GEMM [x]", 30.0), RuntimeOp("Reduce", 10.0))
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(
        runtime_table(Profile("a", "tflite", Totals.of(()), (), None, (), ops))
    )
    text = " ".join(console.file.getvalue().replace("│", " ").split())
    assert "GEMM [x] 30.0 75.0%" in text
    assert "Reduce 10.0 25.0%" in text


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
