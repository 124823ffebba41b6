import json
from dataclasses import replace

import pytest
from run_folder import full_report, make_run, report

from tfcompress.errors import ModelError, WorkdirError
from tfcompress.reporting.finished_run import FinishedRun, is_run


def test_a_run_has_two_rows_with_what_it_measured(tmp_path):
    folder = make_run(tmp_path / "a")
    artifact, baseline = FinishedRun.open(folder).rows()
    assert (artifact.kind, baseline.kind) == ("artifact", "baseline")
    assert baseline.name == f"{folder} (baseline)"
    assert (artifact.figures["top1"], baseline.figures["top1"]) == (0.8875, 0.9)
    latencies = artifact.figures["latency_ms"], baseline.figures["latency_ms"]
    assert latencies == (0.1, 0.25)
    size = (folder / "model.tflite").stat().st_size
    assert artifact.figures["size_bytes"] == size
    # Six values in and six out, of one byte each; float has four.
    assert artifact.figures["peak_memory_bytes"] == 2 * 16
    assert FinishedRun.open(folder).files() == {
        str(folder): folder / "model.tflite",
        f"{folder} (baseline)": folder / "baseline.tflite",
    }


def test_operators_have_the_names_of_their_layers(tmp_path):
    run = FinishedRun.open(make_run(tmp_path / "a"))
    assert [layer.name for layer in run.after.layers] == ["the_relu"]


def test_operators_that_are_not_the_audit_s_keep_their_names(tmp_path):
    whole = full_report()
    strange = [{**whole.artifact["precisions"][0], "op": "CONV_2D"}]
    whole = replace(whole, artifact={**whole.artifact, "precisions": strange})
    run = FinishedRun.open(make_run(tmp_path / "a", whole))
    assert [layer.name for layer in run.after.layers] == ["given"]


def test_settings_are_flat(tmp_path):
    stages = [{"type": "Pruning", "epochs": 3}, {"type": "Training", "losses": [1, 2]}]
    run = FinishedRun.open(make_run(tmp_path / "a", stages=stages))
    settings = run.settings
    assert settings["recipe.stages.0.epochs"] == 3
    assert settings["recipe.stages.1.losses"] == [1, 2]
    assert settings["environment.python"] == "3"
    assert settings["data.name"] == "tiny"


def test_reports_of_older_versions_are_read(tmp_path):
    folder = make_run(tmp_path / "a", report())
    values = json.loads((folder / "report.json").read_text())
    del values["skipped"]
    (folder / "report.json").write_text(json.dumps(values))
    assert FinishedRun.open(folder).report.skipped == []


def test_a_run_that_is_not_finished_is_told(tmp_path):
    folder = make_run(tmp_path / "a")
    (folder / "report.json").unlink()
    assert is_run(folder)
    with pytest.raises(WorkdirError, match=r"not finished; run the same command"):
        FinishedRun.open(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report.json", "[]"),
        ("report.json", '{"schema_version": 1'),
        ("recipe.json", "{}"),
        ("recipe.json", "7"),
    ],
)
def test_damaged_folders_are_told(tmp_path, name, content):
    folder = make_run(tmp_path / "a")
    (folder / name).write_text(content)
    with pytest.raises(WorkdirError, match="json"):
        FinishedRun.open(folder)


@pytest.mark.parametrize("part", ["baseline", "artifact", "stages", "comparison"])
def test_parts_of_another_shape_are_told(tmp_path, part):
    folder = make_run(tmp_path / "a")
    values = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps({**values, part: [3]}))
    with pytest.raises(WorkdirError, match="is not what a run writes"):
        FinishedRun.open(folder)


def test_a_file_that_is_gone_is_told(tmp_path):
    folder = make_run(tmp_path / "a")
    (folder / "baseline.tflite").unlink()
    with pytest.raises(ModelError, match=r"baseline\.tflite"):
        FinishedRun.open(folder)


def test_other_folders_are_no_runs(tmp_path):
    assert not is_run(tmp_path)
    assert not is_run(tmp_path / "nothing")
