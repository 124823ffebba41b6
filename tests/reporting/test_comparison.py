import csv
import io
from dataclasses import replace

import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.reporting.comparison import Comparison
from tfcompress.reporting.figures import FIGURES, Row


def row(name, top1, size, **figures):
    known = {"top1": top1, "size_bytes": size, **figures}
    return Row(name, "tflite", {figure: known.get(figure) for figure in FIGURES})


def test_the_front_of_any_axes():
    rows = (
        row("small", 0.8, 100, macs=9),
        row("good", 0.9, 200, macs=5),
        row("bad", 0.7, 300, macs=5),
        row("open", None, 1, macs=4),
    )
    comparison = Comparison(rows)
    assert [each.name for each in comparison.pareto()] == ["small", "good"]
    assert [each.name for each in comparison.pareto(("top1", "macs"))] == ["good"]
    assert [each.name for each in comparison.pareto(["macs"])] == ["open"]


@pytest.mark.parametrize("axes", [(), ("top1", "top1"), ("accuracy",)])
def test_axes_that_are_no_figures_are_refused(axes):
    with pytest.raises(InvalidArgumentError, match="expected different names of top1"):
        Comparison((row("a", 1, 1),)).pareto(axes)


def test_a_figure_that_only_some_have_differs():
    found = Comparison((row("a", 0.5, 1), row("b", None, 1)))
    assert found.figure_names(diff_only=True) == ["top1"]
    assert found.figure_names() == ["top1", "size_bytes"]


def test_csv_executes_nothing():
    found = Comparison((row("=1+1", 0.5, 10), row("b", 0.25, 5)))
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert rows[0] == {
        **{"name": "'=1+1", "kind": "tflite", "on_pareto_front": "True"},
        **{"top1": "0.5", "size_bytes": "10"},
    }


def test_csv_has_the_interval_of_a_latency_that_was_measured_here():
    known, unknown = row("a", 0.5, 10, latency_ms=2.0), row("b", 0.25, 5)
    known = replace(known, latency_interval=(1.5, 2.5))
    for timed_here, facts, nothing in (
        (True, ["2.0", "1.5", "2.5", "median_of_rounds"], [""] * 4),
        (False, ["2.0", "p50_of_run"], ["", ""]),
    ):
        found = Comparison((known, unknown), timed_here=timed_here)
        for values, expected in zip(
            csv.reader(found.to_csv().splitlines()[1:]), (facts, nothing), strict=True
        ):
            assert values[5:] == expected
