import csv
import io
import json

import pytest
import tiny
from run_folder import make_run
from small_file import relu_file

import tfcompress as tfc
from tfcompress.cli.main import main


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("[red]")
    artifact = tfc.export_tflite(
        tiny.model(), folder / "m.tflite", tiny.data(), quantization="int8"
    )
    data = f"--data=npz:{tiny.npz(folder)}"
    return ["engines", str(artifact.path), data, "--engines=litert"]


def test_json_is_one_document_and_nothing_else(capfd, words):
    assert main([*words, "--format=json"]) == 0
    captured = capfd.readouterr()
    document = json.loads(captured.out)
    assert captured.err == "litert: latency, 30 test images\n"
    assert document["source"] == words[1]
    (litert,) = document["engines"]
    assert litert["engine"] == "litert"
    assert litert["max_steps"] == 0
    assert litert["latency"]["p50"] > 0


def test_csv_has_a_line_an_engine(capfd, words):
    assert main([*words, "--format=csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capfd.readouterr().out))
    assert row["engine"] == "litert"
    assert (float(row["agreement"]), row["missing"]) == (1.0, "")
    assert float(row["p10_ms"]) <= float(row["p50_ms"])


def test_table_shows_names_as_they_are(capfd, words):
    assert main(words) == 0
    captured = capfd.readouterr()
    assert "[red]" in captured.out
    assert "100.00%" in captured.out
    assert captured.err == "litert: latency, 30 test images\n"


def test_wrong_usage_is_one_line(capfd, words):
    assert main(["engines"]) == 2
    assert "expected one MODEL.tflite, not 0" in capfd.readouterr().err
    assert main(["engines", words[1], "--engines=tvm"]) == 1
    assert "expected different names of litert" in capfd.readouterr().err


def test_the_folder_of_a_run_and_an_operator_that_litert_lacks_are_told(
    capfd, tmp_path
):
    run, file = make_run(tmp_path / "run"), tmp_path / "m.tflite"
    assert main(["engines", str(run)]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{run} is the folder of a run; expected a model" in line
    file.write_bytes(relu_file(custom=b"MyOp"))
    assert main(["engines", str(file), "--engines=litert"]) == 1
    *_, line = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: LiteRT cannot run {file}: ")
    assert "replace the layer that MyOp comes from" in line
