from ai_edge_litert import schema_py_generated as schema
from small_file import relu_file

from tfcompress.reporting import timing
from tfcompress.reporting.figures import FIGURES, Row
from tfcompress.reporting.timing import timed


def test_a_file_that_does_not_run_costs_the_others_nothing(tmp_path, monkeypatch):
    # A busy machine makes fewer rounds in ten seconds.
    monkeypatch.setattr(timing, "_SECONDS_A_FILE", 120.0)
    # There is no kernel of RELU for int32.
    contents = {"bad": relu_file(dtype=schema.TensorType.INT32), "good": relu_file()}
    files = {name: tmp_path / f"{name}.tflite" for name in contents}
    for name, path in files.items():
        path.write_bytes(contents[name])
    rows = [Row(name, "tflite", dict.fromkeys(FIGURES)) for name in ("bad", "good")]
    (bad, good), notes = timed(rows, files, latency=True, num_threads=1)
    assert bad.figures["latency_ms"] is None
    assert bad.latency_interval is None
    low, high = good.latency_interval
    assert 0 < low <= good.figures["latency_ms"] <= high
    measured, failed = notes
    # Of 9 rounds the interval goes from the second to the eighth: 1 - 2 * 10 / 512.
    assert "on 1 thread(s): the median of 9 rounds" in measured
    assert measured.endswith("in brackets its 96% interval.")
    assert failed.startswith(f"Not timed: LiteRT cannot run {files['bad']}: ")


def test_where_nothing_runs_there_is_no_figure_to_explain(tmp_path):
    path = tmp_path / "bad.tflite"
    path.write_bytes(relu_file(dtype=schema.TensorType.INT32))
    row = Row("bad", "tflite", dict.fromkeys(FIGURES))
    rows, (failed,) = timed([row], {"bad": path}, latency=True, num_threads=1)
    assert rows == [row]
    assert failed.startswith("Not timed: ")


def test_without_timing_rows_stay_and_without_files_nothing_is_told(tmp_path):
    rows = [Row("a", "keras", dict.fromkeys(FIGURES))]
    assert timed(rows, {}, latency=True, num_threads=1) == (rows, [])
    _, (note,) = timed(rows, {"a": tmp_path}, latency=False, num_threads=1)
    assert note.startswith("Latency is the median that each run measured")
