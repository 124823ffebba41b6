import csv
import io
import json

import pytest
import tiny
from run_folder import make_run

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError
from tfcompress.quality.robustness.result import Robustness, RobustnessRow
from tfcompress.reporting.robustness import (
    Tried,
    different_images,
    robustness_columns,
)


@pytest.fixture(scope="module")
def data():
    return tiny.data()


@pytest.fixture(scope="module")
def files(tmp_path_factory, data):
    folder, model = tmp_path_factory.mktemp("two"), tiny.model()
    tfc.save_model(model, folder / "a.keras")
    tfc.export_tflite(model, folder / "b.tflite", data, quantization="int8")
    return folder / "a.keras", folder / "b.tflite"


@pytest.fixture(scope="module")
def compared(files, data):
    how = tfc.Perturbations(corruptions=("brightness",), attacks=("fgsm",))
    return tfc.compare(files, data=data, robustness=how, latency=False)


def test_two_files_stand_side_by_side(compared, files, data):
    keras_file, tflite_file = map(str, files)
    (result,) = json.loads(compared.to_json())["robustness"]
    assert result["top1"] == tfc.evaluate(tflite_file, data).top1
    assert result["baseline_top1"] == tfc.evaluate(keras_file, data).top1
    assert len(result["rows"]) == 2 * 5
    assert "top-1 in % of" in compared.to_markdown()


def test_csv_has_a_column_for_each_strength(compared, files):
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(compared.to_csv()))}
    (result,) = compared.robustness.values()
    third = result.under("brightness")[2]
    assert float(rows[str(files[0])]["brightness_3"]) == third.baseline_top1
    assert float(rows[str(files[1])]["brightness_3"]) == third.top1


def test_page_shows_the_picture_and_both_confusions(compared, files):
    page = compared.to_html()
    assert page.count('<table class="matrix">') == 2
    assert "<h2>Robustness</h2>" in page
    for name, accuracy in compared.accuracies.items():
        assert f"{name}: {accuracy.top1:.2%} right" in page
    assert set(compared.accuracies) == set(map(str, files))


def result(top1, num_images=4):
    row = RobustnessRow("blur", 1, 0.1, False, top1, 0.75)
    return Robustness("m", "f", None, num_images, 0, 1.0, 1.0, (row,))


def test_columns_of_several_models_share_the_baseline():
    tried = [Tried("b", "a", result(0.5)), Tried("c", "a", result(0.25))]
    assert robustness_columns(tried) == {
        "a": {"blur_1": 0.75},
        "b": {"blur_1": 0.5},
        "c": {"blur_1": 0.25},
    }


def test_runs_have_the_same_columns(tmp_path):
    run = make_run(tmp_path / "a")
    found = tfc.compare([run], latency=False)
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(found.to_csv()))}
    assert rows[str(run)]["blur_1"] == "0.5"
    assert rows[f"{run} (baseline)"]["blur_1"] == "0.75"
    (part,) = json.loads(found.to_json())["robustness"]
    assert (part["model"], part["baseline"]) == (str(run), "float")
    assert (part["rows"][0]["top1"], part["mean_corruption_error"]) == (0.5, 2.0)
    assert f"top-1 in % of {run}, beside float, on 30 test images" in (
        found.to_markdown()
    )
    assert not found.robustness


def test_other_changed_images_are_told():
    same = [Tried("b", "a", result(0.5)), Tried("c", "a", result(0.25))]
    assert different_images(same) == []
    assert different_images([*same, Tried("d", "e", result(0.5, 5000))]) == [
        "Robustness is not of the same changed images: 4 images of seed 0, "
        "5,000 images of seed 0."
    ]


def test_data_and_two_models_are_needed(files, data):
    how = tfc.Perturbations()
    with pytest.raises(InvalidArgumentError, match=r"2 model\(s\) without data"):
        tfc.compare(files, robustness=how, latency=False)
    with pytest.raises(InvalidArgumentError, match=r"1 model\(s\) with data"):
        tfc.compare(files[:1], data=data, robustness=how, latency=False)
