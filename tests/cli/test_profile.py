import csv
import io
import json
import subprocess
import sys

import keras as keras_3
import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.cli.main import main

# A dense layer from 4 to 3 with bias; the file's name is markup to rich.
PARAMS, MACS = 4 * 3 + 3, 4 * 3


# Once for all tests, before any of them captures the converter's chatter.
@pytest.fixture(scope="module")
def files(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("files")
    image = keras.Input((4,), name="image")
    dense = keras.layers.Dense(3, name="dense", bias_initializer="ones")
    model = keras.Model(image, dense(image))
    model.save(tmp_path / "[red]a.keras")
    flatbuffer = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    for name in ("a", "[red]b"):
        (tmp_path / f"{name}.tflite").write_bytes(flatbuffer)
    names = ("[red]a.keras", "a.tflite", "[red]b.tflite")
    return [str(tmp_path / name) for name in names]


@pytest.mark.parametrize("position", [0, 1])
def test_json_of_one_model_is_one_object_and_nothing_else(capfd, files, position):
    assert main(["profile", files[position], "--format=json", "--nolatency"]) == 0
    captured = capfd.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    assert document["schema_version"] == 1
    assert document["format"] == ("keras", "tflite")[position]
    assert document["totals"]["params"] == PARAMS
    assert document["totals"]["macs"] == MACS
    assert sum(layer["macs"] for layer in document["layers"]) == MACS
    assert document["totals"]["latency_ms"] is None


def test_a_keras_3_file_is_one_json_document_and_nothing_else(tmp_path):
    image = keras_3.Input((6, 6, 2), name="image")
    x = keras_3.layers.Conv2D(4, 3, name="conv")(image)
    x = keras_3.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = keras_3.layers.Dense(3, name="logits")(keras_3.ops.relu(x))
    path = tmp_path / "m.keras"
    keras_3.Model(image, logits).save(path)
    command = [sys.executable, "-m", "tfcompress", "profile", str(path)]
    done = subprocess.run(
        [*command, "--format=json"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    totals = json.loads(done.stdout)["totals"]
    # 3x3 kernels from 2 to 4 channels at 4x4 places, and 4 values to 3.
    assert totals["params"] == 9 * 2 * 4 + 4 + 4 * 3 + 3
    assert totals["macs"] == 16 * 9 * 2 * 4 + 4 * 3


def test_json_of_two_models_is_a_list_in_their_order(capfd, files):
    assert main(["profile", *files[1:], "--format=json", "--nolatency"]) == 0
    documents = json.loads(capfd.readouterr().out)
    assert [document["source"] for document in documents] == files[1:]


def test_csv_of_two_models_has_one_line_of_names(capfd, files):
    assert main(["profile", *files[1:], "--format=csv", "--nolatency"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert {row["source"] for row in rows} == set(files[1:])
    macs = [int(row["macs"]) for row in rows]
    assert sum(macs) == 2 * MACS


def test_the_table_shows_a_name_as_it_is(capfd, files):
    assert main(["profile", files[2], "--nolatency"]) == 0
    captured = capfd.readouterr()
    assert "[red]b.tflite" in "".join(captured.out.split())
    assert captured.err == ""


@pytest.mark.parametrize("option", [(), ("--batch_size=4",), ("--num_threads=2",)])
def test_a_keras_model_is_said_not_to_be_timed(capfd, files, option):
    words = ["profile", files[0], "--format=json", *option]
    assert main(words) == 0
    (note,) = json.loads(capfd.readouterr().out)["notes"]
    assert note.startswith("it was not timed") and "export the model to time" in note
    assert main([*words, "--nolatency"]) == 0
    assert json.loads(capfd.readouterr().out)["notes"] == []


def test_a_timed_file_says_with_how_many_threads(capfd, files):
    words = ["profile", files[1], "--format=json", "--num_threads=2"]
    assert main(words) == 0
    latency = json.loads(capfd.readouterr().out)["totals"]["latency_ms"]
    assert latency["num_threads"] == 2
    assert 0 < latency["p10"] <= latency["p50"] <= latency["p90"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("damaged.tflite", b"\x1c\0\0\0TFL3" + bytes(100)),
        ("short.tflite", b"\x08\0\0\0TFL3"),
        ("empty.tflite", b""),
        ("picture.tflite", b"\x89PNG\r\n\x1a\n0000"),
    ],
)
def test_a_file_that_is_no_model_is_told(capfd, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert main(["profile", str(tmp_path / name), "--format=json"]) == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert name in line


@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_a_bad_file_does_not_cost_the_others(capfd, tmp_path, files, output):
    (tmp_path / "bad.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    missing, bad = str(tmp_path / "none.keras"), str(tmp_path / "bad.tflite")
    words = ["profile", missing, files[1], bad, f"--format={output}", "--nolatency"]
    assert main(words) == 1
    captured = capfd.readouterr()
    first, second = captured.err.splitlines()
    assert first.startswith("error: ") and "none.keras" in first
    assert second.startswith("error: ") and "bad.tflite" in second
    assert "a.tflite" in "".join(captured.out.split())
    if output == "json":
        assert [found["source"] for found in json.loads(captured.out)] == [files[1]]


def test_the_table_has_totals_and_layers_when_asked_for(capfd, files):
    assert main(["profile", files[1], "--nolatency"]) == 0
    totals = capfd.readouterr().out
    assert main(["profile", files[1], "--nolatency", "--per_op"]) == 0
    both = capfd.readouterr().out
    assert "peak activations" in totals and "peak activations" in both
    assert "ops/byte" in both and "ops/byte" not in totals


def test_the_picture_of_memory_is_written(capfd, tmp_path, files):
    target = tmp_path / "memory.png"
    words = ["profile", files[0], "--format=json", f"--memory_plot={target}"]
    assert main(words) == 0
    assert target.read_bytes().startswith(b"\x89PNG")
    assert json.loads(capfd.readouterr().out)["memory"]["peak_bytes"] > 0
    assert main(["profile", *files[1:], f"--memory_plot={target}"]) == 2
    assert "draws one MODEL" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "told"),
    [("a.txt", "is no PNG file; expected"), ("none/a.png", "there is no folder")],
)
def test_a_name_for_no_picture_is_told_before_the_model_is_read(
    capfd, tmp_path, name, told
):
    target = tmp_path / name
    assert main(["profile", "no_such.keras", f"--memory_plot={target}"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"--memory_plot={target}" in line and told in line
    assert list(tmp_path.iterdir()) == []


def test_what_is_measured_can_be_chosen(capfd, files):
    words = ["profile", files[1], "--format=json", "--batch_size=2", "--roofline"]
    assert main(words) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["totals"]["latency_ms"]["batch_size"] == 2
    assert document["roofline"]["bytes_per_second"] > 0
    expected = "profiler takes no file whose input has an open size, as ?x4 here"
    is_told = any(expected in note for note in document["notes"])
    assert is_told != bool(document["runtime_ops"])
    assert document["arenas"][0]["runtime"] == "LiteRT"
