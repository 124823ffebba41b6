import csv
import io
import json

import pytest
import tf_keras as keras
import tiny
from run_folder import make_run
from small_file import relu_file

import tfcompress as tfc
from tfcompress.cli.main import main
from tfcompress.loading import save_model


@pytest.fixture
def runs(tmp_path):
    return [
        str(make_run(tmp_path / name, seed=place)) for place, name in enumerate("ab")
    ]


def test_json_is_one_document_and_nothing_else(capfd, runs):
    assert main(["compare", *runs, "--format=json", "--nolatency"]) == 0
    captured = capfd.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    assert len(document["rows"]) == 4
    assert document["differences"] == {"recipe.seed": {runs[0]: 0, runs[1]: 1}}


def test_csv_and_markdown_and_table(capfd, runs):
    assert main(["compare", *runs, "--format=csv", "--nolatency"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert [row["kind"] for row in rows] == ["artifact", "baseline"] * 2
    assert main(["compare", *runs, "--format=markdown", "--nolatency"]) == 0
    assert "| model | kind |" in capfd.readouterr().out
    assert main(["compare", *runs, "--nolatency"]) == 0
    captured = capfd.readouterr()
    assert "recipe.seed" in captured.out
    assert captured.err == ""


def test_only_what_differs(capfd, runs):
    words = ["compare", *runs, "--format=json", "--nolatency", "--diff_only"]
    assert main(words) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["settings"] == {}
    assert "params" not in document["rows"][0]


def test_other_axes(capfd, runs):
    words = ["compare", runs[0], "--format=json", "--nolatency", "--axes=latency_ms"]
    assert main(words) == 0
    document = json.loads(capfd.readouterr().out)
    # The report says 0.1 and 0.25 ms.
    assert [row["on_pareto_front"] for row in document["rows"]] == [True, False]
    assert main(["compare", runs[0], "--axes=bytes"]) == 1
    assert "expected different names of top1" in capfd.readouterr().err


def test_everything_is_written_into_a_folder(runs, tmp_path):
    output = tmp_path / "out"
    assert main(["compare", runs[0], "--nolatency", f"--output={output}"]) == 0
    names = {path.name for path in output.iterdir()}
    assert {"comparison.json", "comparison.csv", "comparison.md"} <= names
    assert {"report.html", "pareto_latency_ms.png", "1_stages.png"} <= names


def test_keras_files_are_scored_where_there_is_data(capfd, tmp_path):
    save_model(tiny.model(), tmp_path / "m.keras")
    words = ["compare", str(tmp_path / "m.keras"), "--format=json"]
    assert main([*words, f"--data=npz:{tiny.npz(tmp_path)}"]) == 0
    (row,) = json.loads(capfd.readouterr().out)["rows"]
    assert row["kind"] == "keras"
    assert row["params"] == tiny.model().count_params()
    assert 0 <= row["top1"] <= 1


def test_what_takes_long_is_told_on_standard_error(capfd, tmp_path):
    names = [str(tmp_path / name) for name in ("a.keras", "b.tflite")]
    save_model(tiny.model(), names[0])
    tfc.export_tflite(tiny.model(), names[1], tiny.data(), quantization="float32")
    capfd.readouterr()
    words = ["compare", *names, f"--data=npz:{tiny.npz(tmp_path)}", "--robustness=6"]
    assert main([*words, "--format=json"]) == 0
    captured = capfd.readouterr()
    assert captured.err.splitlines() == [
        *(f"asking {name} about 30 test images" for name in names),
        f"trying {names[1]} on 6 images that are changed",
        "timing 1 file(s) in alternating blocks",
    ]
    assert len(json.loads(captured.out)["rows"]) == 2


@pytest.mark.usefixtures("registry")
def test_an_unsafe_file_is_scored_where_that_is_allowed(capfd, tmp_path):
    model, path = tiny.model(), str(tmp_path / "m.keras")
    twice = keras.layers.Lambda(lambda x: 2.0 * x, name="twice")
    keras.Model(model.input, twice(model.output)).save(path)
    words = ["compare", path, f"--data=npz:{tiny.npz(tmp_path)}", "--format=json"]
    assert main(words) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "layer twice uses Lambda" in line and "--allow_unsafe" in line
    assert main([*words, "--allow_unsafe"]) == 0
    (row,) = json.loads(capfd.readouterr().out)["rows"]
    # Twice the logits: the same classes.
    assert row["top1"] == tfc.evaluate(model, tiny.data()).top1


def test_files_are_timed_together(capfd, tmp_path):
    (tmp_path / "a.tflite").write_bytes(relu_file())
    assert main(["compare", str(tmp_path / "a.tflite"), "--format=json"]) == 0
    (row,) = json.loads(capfd.readouterr().out)["rows"]
    assert row["latency_ms"] > 0


def test_what_cannot_be_compared_is_told(capfd, tmp_path):
    assert main(["compare"]) == 2
    assert "at least one RUN_OR_MODEL" in capfd.readouterr().err
    (tmp_path / "a.tflite").write_bytes(relu_file())
    (tmp_path / "empty").mkdir()
    for name, what in (
        ("nothing", "does not exist; expected the folder of a run, or a model file"),
        ("empty", "is a folder, but of no run and no SavedModel; expected the folder"),
    ):
        words = ["compare", str(tmp_path / "a.tflite"), str(tmp_path / name)]
        assert main(words) == 1
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"error: {tmp_path / name} {what}")
    assert main(["compare", ""]) == 1
    assert capfd.readouterr().err.startswith("error: '' does not exist")


def test_a_folder_that_cannot_be_is_told_before_anything_is_measured(capfd, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(relu_file())
    assert main(["compare", str(path), f"--output={path}"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: cannot write {path}: File exists; ")
    assert "choose another folder" in line


def test_the_damaged_run_among_several_is_named(capfd, runs, tmp_path):
    path = tmp_path / "b" / "report.json"
    path.write_text("{}")
    assert main(["compare", *runs, "--nolatency"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {path} is damaged or of another version")


def test_robustness_needs_data_and_a_second_model(capfd, tmp_path):
    (tmp_path / "a.tflite").write_bytes(relu_file())
    words = ["compare", str(tmp_path / "a.tflite"), "--robustness=5", "--nolatency"]
    assert main(words) == 1
    captured = capfd.readouterr()
    assert "asked of 1 model(s) without data" in captured.err
    assert captured.err.count("\n") == 1
