import pytest

from tfcompress.profiling import LayerProfile, Profile, Totals
from tfcompress.reporting.figures import (
    FIGURES,
    Row,
    figures_of,
    speed_text,
)

LAYERS = [
    # Of 8 weights in the kernel, 6 are zero.
    LayerProfile("a", "CONV_2D", (2,), 10, 6, 40, 8, 2),
    LayerProfile("b", "ADD", (2,), 0, 0, 0),
]


def profile(kind):
    totals = Totals.of(LAYERS, content=b"x" * 100)
    return Profile("model", kind, totals, tuple(LAYERS))


def test_figures_of_a_file():
    found = figures_of(profile("tflite"), top1=0.5, latency_ms=2.0)
    gzip_bytes = found.pop("gzip_bytes")
    assert 0 < gzip_bytes < 100
    assert found == {
        "top1": 0.5,
        "size_bytes": 100,
        "latency_ms": 2.0,
        "macs": 40,
        "peak_memory_bytes": None,
        "params": 10,
        "nonzero_params": 6,
        "sparsity": 0.75,
    }


def test_bytes_of_a_keras_file_are_not_compared():
    found = figures_of(profile("keras"))
    assert set(found) == set(FIGURES)
    assert found["size_bytes"] is found["gzip_bytes"] is found["top1"] is None
    assert found["params"] == 10


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("top1", 0.91234, "91.23%"),
        ("size_bytes", 1234567, "1,234,567"),
        ("latency_ms", 0.012345, "12.3 us"),
        ("latency_ms", 12.345, "12.3 ms"),
        ("latency_ms", 0.99999, "1,000 us"),
        ("latency_ms", 1234.5, "1,234 ms"),
        ("macs", None, ""),
    ],
)
def test_figures_for_people(name, value, text):
    assert Row("a", "tflite", {name: value}).text(name) == text


def test_a_latency_is_shown_with_its_interval():
    figures = {"latency_ms": 0.5, "macs": 5}
    assert Row("a", "tflite", figures).text("latency_ms") == "500 us"
    row = Row("a", "tflite", figures, (0.48765, 1.25))
    assert row.text("latency_ms") == "500 us (488 to 1,250)"
    assert row.text("macs") == "5"


def test_accuracy_and_sparsity_are_what_one_wants_more_of():
    larger = {name for name, figure in FIGURES.items() if figure.larger_is_better}
    assert larger == {"top1", "sparsity"}


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        ((2.3, 2.2, 2.4), "2.3x faster (2.2 to 2.4)"),
        # 1 / 0.5, and of 1 / 0.4 and 1 / 0.625 the smaller first.
        ((0.5, 0.4, 0.625), "2.0x slower (1.6 to 2.5)"),
        ((1.02, 0.97, 1.07), "as fast (0.97 to 1.07)"),
        ((0.98, 0.9, 1.0), "as fast (0.90 to 1.00)"),
        ((1.03, 1.02, 1.04), "1.030x faster (1.020 to 1.040)"),
        ((2.5,), "2.5x faster"),
    ],
)
def test_nothing_is_called_faster_where_the_interval_holds_1(ratio, text):
    assert speed_text(*ratio) == text
