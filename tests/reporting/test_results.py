import csv
import importlib.util
from pathlib import Path

import pytest

from tfcompress.errors import DataError
from tfcompress.profiling.latency import LatencyRatio
from tfcompress.reporting.results import (
    COLUMNS,
    append_result,
    read_results,
)

RECIPES = Path(__file__).parents[2] / "recipes"


def report():
    path = Path(__file__).with_name("test_report.py")
    spec = importlib.util.spec_from_file_location("report_fixture", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.report()


def test_rows_are_appended_whole(tmp_path):
    path = tmp_path / "results.csv"
    append_result(path, report())
    append_result(path, report().compared(LatencyRatio(3.0, 2.5, 3.5, 0.95, 9)))
    append_result(path, report())
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert tuple(rows[0]) == COLUMNS
    expected = {
        "recipe": "a|b",
        "stage_seconds": "1.2",
        "baseline_top1": "0.9",
        "top1": "0.8875",
        "gzip_ratio": "12.0",
        "params": "1000",
        "macs": "2500",
    }
    assert expected.items() <= rows[1].items()


def test_file_of_other_columns_is_refused_and_kept(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="columns"):
        append_result(path, report())
    assert path.read_text() == "a,b\n1,2\n"


def test_every_result_is_of_a_recipe_that_is_there():
    names = {row["recipe"] for row in read_results(RECIPES / "results.csv")}
    assert names <= {path.stem for path in RECIPES.glob("*.py")}
