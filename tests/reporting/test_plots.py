import base64
import io
from dataclasses import replace
from itertools import pairwise

import pytest
from PIL import Image
from run_folder import full_report

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling import Profile, Totals
from tfcompress.reporting.comparison import Comparison
from tfcompress.reporting.figures import FIGURES, Row
from tfcompress.reporting.plots import (
    bytes_by_kind,
    data_uri,
    plot_bytes,
    plot_pareto,
    plot_stages,
    png,
)


def row(top1, size, kind="tflite", latency_ms=None, interval=None):
    known = {"top1": top1, "size_bytes": size, "latency_ms": latency_ms}
    return Row("a", kind, {name: known.get(name) for name in FIGURES}, interval)


def file_profile(name, **weight_bytes):
    totals = Totals(0, None, 0, 0, 0.0, weight_bytes=weight_bytes, other_bytes=512)
    return Profile(name, "tflite", totals, ())


def points(axes):
    """Returns x, y and marker of what is drawn, lines left out."""
    return [
        (*line.get_xydata()[0].tolist(), line.get_marker())
        for line in axes.lines
        if line.get_linestyle() == "None"
    ]


def test_points_are_in_units_for_people_and_the_front_is_a_line():
    rows = (row(0.5, 1024), row(0.75, 4096, "baseline"), row(0.25, 2048), row(None, 1))
    (axes,) = plot_pareto(Comparison(rows)).axes
    assert points(axes) == [(1.0, 50.0, "o"), (4.0, 75.0, "s"), (2.0, 25.0, "o")]
    (line,) = [line for line in axes.lines if line.get_linestyle() != "None"]
    assert line.get_xydata().tolist() == [[1.0, 50.0], [4.0, 75.0]]
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("file in KiB", "top-1 in %")


def test_points_that_coincide_have_one_label():
    (axes,) = plot_pareto(Comparison((row(0.5, 1024),) * 2)).axes
    assert [text.get_text() for text in axes.texts] == ["1, 2"]


@pytest.mark.parametrize(
    ("times", "scale", "label"),
    [
        ((0.006_710, 0.006_720), 1000, "latency in us"),
        ((0.999_001, 0.999_002), 1000, "latency in us"),
        ((0.5, 12_345.678), 1, "latency in ms"),
    ],
)
def test_numbers_below_an_axis_do_not_overlap(times, scale, label):
    rows = [
        row(top1, 1, latency_ms=ms) for top1, ms in zip((0.5, 1), times, strict=True)
    ]
    figure = plot_pareto(Comparison(tuple(rows)), "latency_ms")
    (axes,) = figure.axes
    assert axes.get_xlabel() == label
    assert [x for x, *_ in points(axes)] == pytest.approx([scale * ms for ms in times])
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    boxes = [
        text.get_window_extent()
        for place, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        if low <= place <= high
    ]
    assert len(boxes) > 1
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_a_latency_has_its_interval_as_a_bar():
    rows = (row(0.5, 1, latency_ms=0.25, interval=(0.125, 0.5)), row(0.75, 1))
    (axes,) = plot_pareto(Comparison(rows), "latency_ms").axes
    (bar,) = axes.collections
    assert bar.get_segments()[0].tolist() == [[125.0, 50.0], [500.0, 50.0]]
    (axes,) = plot_pareto(Comparison(rows), "size_bytes").axes
    assert not axes.collections


def test_a_figure_that_does_not_exist_is_refused():
    with pytest.raises(InvalidArgumentError, match="expected different names"):
        plot_pareto(Comparison((row(0.5, 1),)), "bytes")


def test_every_stage_has_a_bar_and_the_artifact_one():
    report = full_report(stage="$\\frac$")
    accuracy, nonzero, macs = plot_stages(report).axes
    assert [bar.get_width() for bar in accuracy.patches] == [90.0, 88.75]
    assert [bar.get_width() for bar in nonzero.patches] == [1.0]
    assert [bar.get_width() for bar in macs.patches] == [0.005, 0.0025]
    names = [label.get_text() for label in accuracy.get_yticklabels()]
    assert names == ["$\\frac$", "model.tflite"]


def test_names_that_are_markup_or_long_can_be_drawn():
    report = full_report()
    rows = [{**report.stages[0], "name": name} for name in ("$\\frac$", "\x1b" * 99)]
    figure = plot_stages(replace(report, stages=rows))
    assert Image.open(io.BytesIO(png(figure))).format == "PNG"


def test_bytes_are_stacked_with_what_is_no_weight_last():
    profiles = {
        "before": file_profile("a", float32=2048),
        "after": file_profile("b", int8=512, int32=1024),
    }
    assert bytes_by_kind(profiles["after"]) == {
        **{"int8 weights": 512, "int32 weights": 1024, "not weights": 512}
    }
    (axes,) = plot_bytes(profiles).axes
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    float32, int8, int32, rest = bars[:2], bars[2:4], bars[4:6], bars[6:]
    assert float32 == [(0, 2), (0, 0)]
    assert int8 == [(2, 0), (0, 0.5)]
    assert int32 == [(2, 0), (0.5, 1)]
    assert rest == [(2, 0.5), (1.5, 0.5)]


def test_a_figure_as_an_image_in_a_page():
    uri = data_uri(plot_pareto(Comparison((row(0.5, 1),))))
    kind, _, content = uri.partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert b"<svg" in base64.b64decode(content)
