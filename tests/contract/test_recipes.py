"""What every recipe promises: it loads, is documented, and runs at smoke size."""

import json
from pathlib import Path

import pytest

import tfcompress as tfc
from tfcompress.recipe import load_recipe
from tfcompress.reporting.figures import milliseconds

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.py"))


def test_there_are_recipes():
    networks = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small")
    networks += ("shufflenet_v1", "shufflenet_v2", "transfer")
    names = {"quickstart", *(f"{name}_fashion_mnist" for name in networks)}
    assert names <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_says_what_it_is_and_how_to_run_it(path):
    text = path.read_text()
    assert text.startswith('"""')
    assert f"tfcompress run recipes/{path.name}" in text
    assert "tfc.run_as_script(__file__)" in text


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_survives_json(path):
    recipe = load_recipe(path)
    restored = tfc.Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert restored == recipe
    assert recipe.name == path.stem


def smoke_cases():
    """The quickstart is tried at once, the others with the slow tests."""
    for path in RECIPES:
        marks = () if path.stem == "quickstart" else (pytest.mark.slow,)
        yield pytest.param(path, marks=marks, id=path.stem)


@pytest.mark.parametrize("path", smoke_cases())
def test_recipe_runs_at_smoke_size(path, tmp_path):
    report = tfc.run_recipe(load_recipe(path).smoke(), tmp_path)
    assert report.artifact["float_ops"] == []
    assert report.artifact["input"]["dtype"] == "int8"
    assert (tmp_path / "model.tflite").stat().st_size == report.artifact["size_bytes"]
    assert report.data["num_test"] == 200
    # What the land cover recipe promises, all reports tell.
    means = [
        part["latency_ms"]["mean"]
        for part in (report.baseline["tflite"], report.artifact)
    ]
    rows = {row[0]: row[1:3] for row in report.summary()}
    assert rows["mean time of an image"] == tuple(map(milliseconds, means))
    assert "| mean time of an image | " in (tmp_path / "report.md").read_text()
    assert "mean time of an image" in (tmp_path / "report.html").read_text()
