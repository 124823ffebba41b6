import csv
import gzip
import io
import json
import subprocess
import sys

import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
from tfcompress.loading import save_model
from tfcompress.profiling.profile import (
    LayerProfile,
    Profile,
    Totals,
    file_sizes,
    profile,
    shape_text,
    visible_text,
)

LAYERS = (
    LayerProfile("in", "InputLayer", (8, 8, 1), 0, 0, 0),
    LayerProfile("conv, 1", "Conv2D", (8, 8, 2), 20, 10, 1152, 18, 9),
    LayerProfile("dense", "Dense", (None, 3), 9, 9, 6, 6, 6),
)
PROFILE = Profile("a.keras", "keras", Totals.of(LAYERS, trainable_params=29), LAYERS)


def test_sparsity_is_the_share_of_zeros_in_the_kernel():
    assert [layer.sparsity for layer in LAYERS] == [0.0, 9 / 18, 0.0]


def test_totals_add_up(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a" * 1000)
    latency_ms = {"p10": 0.1, "p50": 0.2, "p90": 0.3}
    totals = Totals.of(LAYERS, path=path, latency_ms=latency_ms)
    assert totals == Totals(
        params=20 + 9,
        trainable_params=None,
        nonzero_params=10 + 9,
        macs=1152 + 6,
        sparsity=9 / (18 + 6),
        size_bytes=1000,
        gzip_bytes=len(gzip.compress(b"a" * 1000, 9, mtime=0)),
        latency_ms=latency_ms,
    )


def test_to_json_holds_totals_and_layers():
    document = json.loads(PROFILE.to_json())
    assert document == PROFILE.to_dict()
    assert list(document) == ["source", "format", "totals", "layers"]
    assert document["totals"] == {
        "params": 29,
        "trainable_params": 29,
        "nonzero_params": 19,
        "macs": 1158,
        "sparsity": 0.375,
        "size_bytes": None,
        "gzip_bytes": None,
        "latency_ms": None,
    }
    assert document["layers"][1]["name"] == "conv, 1"
    assert document["layers"][1]["sparsity"] == 0.5
    assert document["layers"][2]["output_shape"] == [None, 3]


def test_to_csv_has_one_line_a_layer():
    rows = list(csv.DictReader(io.StringIO(PROFILE.to_csv())))
    assert [row["name"] for row in rows] == ["in", "conv, 1", "dense"]
    assert rows[1] == {
        "source": "a.keras",
        "name": "conv, 1",
        "type": "Conv2D",
        "output_shape": "8x8x2",
        "params": "20",
        "nonzero_params": "10",
        "sparsity": "0.5",
        "macs": "1152",
    }


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", r"'\t=1"),
        ("a=1", "a=1"),
        ("a\x1b[31m\r\n=1", r"a\x1b[31m\r\n=1"),
    ],
)
def test_to_csv_holds_no_formula_and_no_control_character(name, cell):
    layer = LayerProfile(name, name, (1,), 0, 0, 0)
    text = Profile(name, "tflite", Totals.of([layer]), (layer,)).to_csv()
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["source"], row["name"], row["type"]) == (cell, cell, cell)
    assert row["params"] == "0"


def test_visible_text_keeps_letters_and_spells_out_the_rest():
    assert visible_text("Größe_1 [x]") == "Größe_1 [x]"
    assert visible_text("a\x00\x9b\u202e") == r"a\x00\x9b\u202e"


def test_shape_text_marks_open_sides():
    assert shape_text((None, 28, 1)) == "?x28x1"


def test_file_sizes_is_raw_and_gzip(tmp_path):
    path = tmp_path / "random"
    content = np.random.default_rng(0).bytes(500)
    path.write_bytes(content)
    size_bytes, gzip_bytes = file_sizes(path)
    assert size_bytes == 500
    assert gzip_bytes == len(gzip.compress(content, 9, mtime=0)) >= 500


def test_profile_of_a_live_model_has_no_file_and_no_latency():
    result = profile(tiny.model())
    assert (result.source, result.format) == ("tiny", "keras")
    assert result.totals.size_bytes is result.totals.latency_ms is None


def test_profile_of_a_keras_file_is_that_of_the_model_and_its_bytes(tmp_path):
    model = tiny.model()
    path = tmp_path / "model.keras"
    save_model(model, path)
    result = profile(str(path))
    assert result.layers == profile(model).layers
    assert result.source == str(path)
    assert result.totals.size_bytes == path.stat().st_size


def test_profile_tells_a_tflite_file_by_its_bytes(tmp_path):
    model = tiny.model()
    path = tmp_path / "renamed.keras"
    export_tflite(model, path, quantization="float32")
    result = profile(path, latency=False)
    assert (result.format, result.totals.latency_ms) == ("tflite", None)
    assert result.totals.macs == profile(model).totals.macs


def test_profile_of_a_tflite_file_is_timed(tmp_path):
    path = tmp_path / "model.tflite"
    export_tflite(tiny.model(), path, quantization="float32")
    latency_ms = profile(path).totals.latency_ms
    assert 0 < latency_ms["p10"] <= latency_ms["p50"] <= latency_ms["p90"]
    assert latency_ms["num_threads"] == 1


def test_profile_of_a_missing_file_says_so(tmp_path):
    with pytest.raises(
        ModelError, match=r"absent\.tflite does not exist; expected a model file"
    ):
        profile(tmp_path / "absent.tflite")


def test_profile_of_something_else_says_what_it_takes():
    with pytest.raises(ModelError, match="Functional or Sequential Keras model"):
        profile(keras.layers.Dense(3))


def test_importing_profile_does_not_wait_for_tensorflow():
    code = "import sys, tfcompress.profiling; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_profile_comes_back_from_its_json_values():
    assert Profile.from_dict(json.loads(PROFILE.to_json())) == PROFILE
