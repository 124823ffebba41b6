"""What recipes/results.csv holds is what the recipes, and the issues, say it is."""

import ast
from pathlib import Path

import pytest

from tfcompress.reporting.results import (
    measured_text,
    newest_results,
    read_results,
    results_markdown,
)

RECIPES = Path(__file__).parents[2] / "recipes"
ROWS = {
    row["recipe"]: row for row in newest_results(read_results(RECIPES / "results.csv"))
}


def test_the_table_is_made_from_the_rows():
    rows = read_results(RECIPES / "results.csv")
    assert (RECIPES / "README.md").read_text() == results_markdown(rows)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.py")), ids=lambda p: p.stem)
def test_a_recipe_says_what_was_measured(path):
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    row = ROWS.get(path.stem)
    expected = measured_text(row) if row else "Not measured yet"
    assert expected in " ".join(docstring.split())


@pytest.mark.parametrize(
    "name", ["shufflenet_v1", "shufflenet_v2", "mobilenet_v3_small", "mobilenet_v1"]
)
def test_the_file_is_as_good_as_the_model_it_was_made_of(name):
    row = ROWS[f"{name}_fashion_mnist"]
    assert row["num_test"] == "10000"
    assert abs(float(row["top1"]) - float(row["keras_top1"])) <= 0.003
    assert float(row["keras_agreement"]) >= 0.99
    assert float(row["stage_seconds"]) < 30 * 60
