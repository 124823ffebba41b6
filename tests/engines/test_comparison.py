import importlib.util
import json
from importlib.metadata import version

import pytest
import tiny
from ai_edge_litert import schema_py_generated as schema
from small_file import relu_file

import tfcompress as tfc
from tfcompress.engines.comparison import PACKAGES
from tfcompress.errors import InvalidArgumentError, ModelError

MISSING = [
    name
    for name in ("onnxruntime", "openvino", "tf2onnx")
    if importlib.util.find_spec(name) is None
]
others = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}")


@pytest.fixture(scope="module")
def data():
    return tiny.data()


def export(folder, data, how):
    path = folder / f"{how}.tflite"
    return tfc.export_tflite(tiny.model(), path, data, quantization=how).path


@pytest.fixture(scope="module")
def path(tmp_path_factory, data):
    return export(tmp_path_factory.mktemp("engines"), data, "int8")


@others
def test_all_engines_answer_alike(path, data):
    results = tfc.compare_engines(path, data)
    assert [result.engine for result in results] == list(PACKAGES)
    assert [result.missing for result in results] == [None] * 3
    top1 = tfc.evaluate(path, data).top1
    for result in results:
        assert result.latency.num_threads == 1
        assert 0 < result.latency.p10 <= result.latency.p50
        assert set(result.versions) == set(PACKAGES[result.engine])
        # Thirty images: one of them may stand on the border of two classes.
        assert result.top1 == pytest.approx(top1, abs=1.01 / 30)
        assert result.agreement >= 1 - 1.01 / 30
        assert result.max_steps <= 2


@others
@pytest.mark.slow
def test_float_files_differ_by_their_rounding_only(tmp_path, data):
    for result in tfc.compare_engines(export(tmp_path, data, "float32"), data):
        assert result.missing is None
        assert result.max_steps is None
        assert result.max_difference < 1e-4


def test_litert_agrees_with_itself(path, data):
    (result,) = tfc.compare_engines(path, data, ["litert"])
    assert (result.agreement, result.max_difference) == (1.0, 0.0)
    assert result.max_steps == 0
    assert result.top1 == tfc.evaluate(path, data).top1
    assert dict(result.versions) == {"ai-edge-litert": version("ai-edge-litert")}


def test_without_data_files_are_timed_only(path):
    (result,) = tfc.compare_engines(path, engines=["litert"], num_threads=2)
    assert result.latency.num_threads == 2
    assert (result.top1, result.agreement, result.max_difference) == (None,) * 3


def test_what_is_not_installed_is_told(path, monkeypatch):
    monkeypatch.setitem(PACKAGES, "openvino", ("no-such-package",))
    litert, openvino = tfc.compare_engines(path, engines=["litert", "openvino"])
    assert litert.missing is None
    assert openvino.latency is None
    assert openvino.missing == (
        "no-such-package is not installed; run pip install 'tfcompress[engines]'"
    )


@others
def test_what_an_engine_cannot_run_is_told(tmp_path, monkeypatch):
    file = tmp_path / "m.tflite"
    file.write_bytes(relu_file())
    worker = tmp_path / "crashes.py"
    worker.write_text("import os\nos.kill(os.getpid(), 11)\n")
    monkeypatch.setattr("tfcompress.engines.comparison._WORKER", worker)
    (result,) = tfc.compare_engines(file, engines=["openvino"])
    assert "m.tflite: it crashed (SIGSEGV)" in result.missing
    assert result.latency is None


def test_a_file_that_litert_cannot_run_is_refused(tmp_path):
    file = tmp_path / "m.tflite"
    file.write_bytes(relu_file(dtype=schema.TensorType.INT32, scale=None))
    with pytest.raises(ModelError, match=r"LiteRT cannot run .*m\.tflite"):
        tfc.compare_engines(file, engines=["litert"])


@pytest.mark.parametrize("engines", [[], ["tvm"], ["litert", "litert"]])
def test_engines_are_checked(engines):
    with pytest.raises(InvalidArgumentError, match="expected different names of lit"):
        tfc.compare_engines("none.tflite", engines=engines)


def test_several_inputs_are_refused(tmp_path):
    file = tmp_path / "m.tflite"
    file.write_bytes(relu_file(num_inputs=2))
    with pytest.raises(ModelError, match="has 2 inputs and 1 outputs"):
        tfc.compare_engines(file)


def test_results_are_json(path, data):
    (result,) = tfc.compare_engines(path, data, ["litert"])
    again = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert again["latency"]["p50"] == result.latency.p50
    assert again["top1"] == result.top1
