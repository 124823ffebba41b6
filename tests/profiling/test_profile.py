import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.export import export_tflite
from tfcompress.loading import save_model
from tfcompress.profiling.arenas import Arena
from tfcompress.profiling.memory_plan import MemoryPlan
from tfcompress.profiling.profile import (
    LayerProfile,
    Profile,
    Totals,
    profile,
    shape_text,
    visible_text,
)
from tfcompress.profiling.roofline import Roofline
from tfcompress.profiling.runtime_ops import RuntimeOp

LAYERS = (
    LayerProfile("in", "InputLayer", (8, 8, 1), 0, 0, 0),
    LayerProfile("conv, 1", "Conv2D", (8, 8, 2), 20, 10, 1152, 18, 9),
    LayerProfile("dense", "Dense", (None, 3), 9, 9, 6, 6, 6),
)
PROFILE = Profile(
    *("a.keras", "keras", Totals.of(LAYERS, trainable_params=29), LAYERS),
    memory=MemoryPlan(640, 1, (1, 9, 2)),
    arenas=(Arena("LiteRT", 704),),
    runtime_ops=(RuntimeOp("GEMM", 1.5),),
    roofline=Roofline(1e9, {"float32": 1e9}, 1),
    notes=("odd",),
)


def test_to_json_holds_totals_and_layers():
    document = json.loads(PROFILE.to_json())
    assert document == PROFILE.to_dict()
    totals = document["totals"]
    assert (totals["params"], totals["macs"], totals["sparsity"]) == (29, 1158, 0.375)
    assert totals["latency_ms"] is totals["size_bytes"] is None
    assert totals["modelled_energy"]["kind"] == "modelled"
    assert document["memory"] == {
        "peak_bytes": 640,
        "peak_op": 1,
        "live_bytes": [1, 9, 2],
    }
    assert document["arenas"][0]["runtime"] == "LiteRT"
    assert document["runtime_ops"] == [{"name": "GEMM", "microseconds": 1.5}]
    # Without bytes arithmetic bounds: 1152 MACs at 1000 million a second.
    assert document["roofline"]["layers"][1] == {
        "bound": "compute",
        "attainable_us": pytest.approx(1.152),
    }
    assert document["notes"] == ["odd"]
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
        "dtype": "float32",
        "params": "20",
        "nonzero_params": "10",
        "sparsity": "0.5",
        "num_values": "",
        "num_channel_values": "",
        "macs": "1152",
        "flops": "0",
        "read_bytes": "0",
        "written_bytes": "0",
        "intensity": "0.0",
        "live_bytes": "9",
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


def test_a_batch_and_the_roofline_are_measured_when_asked_for(tmp_path):
    path = tmp_path / "model.tflite"
    export_tflite(tiny.model(), path, quantization="float32")
    found = profile(path, batch_size=4, roofline=True)
    assert found.totals.latency_ms["batch_size"] == 4
    assert found.roofline.num_threads == 1
    assert profile(tiny.model(), roofline=True).roofline is found.roofline


@pytest.mark.parametrize("wrong", [{"num_threads": 0}, {"batch_size": 0}])
def test_less_than_one_is_refused(wrong):
    with pytest.raises(InvalidArgumentError, match="expected at least 1 of each"):
        profile(tiny.model(), **wrong)


def test_the_same_model_has_the_same_counts_as_keras_and_as_tflite(tmp_path):
    model = tiny.model()
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    path = tmp_path / "model.tflite"
    export_tflite(model, path, quantization="float32")
    as_keras, as_file = profile(model).totals, profile(path, latency=False).totals
    assert as_keras.macs == as_file.macs > 0
    assert as_keras.folded_params == as_file.params < as_keras.params


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
