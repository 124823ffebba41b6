from ai_edge_litert import schema_py_generated as schema
from small_file import relu_file

from tfcompress.reporting.figures import FIGURES, Row
from tfcompress.reporting.timing import timed


def test_a_file_that_does_not_run_costs_the_others_nothing(tmp_path):
    # There is no kernel of RELU for int32.
    contents = {"bad": relu_file(dtype=schema.TensorType.INT32), "good": relu_file()}
    files = {name: tmp_path / f"{name}.tflite" for name in contents}
    for name, path in files.items():
        path.write_bytes(contents[name])
    rows = [Row(name, "tflite", dict.fromkeys(FIGURES)) for name in ("bad", "good")]
    (bad, good), notes = timed(rows, files, latency=True, num_threads=1)
    assert bad.figures["latency_ms"] is None
    assert good.figures["latency_ms"] > 0
    measured, failed = notes
    assert measured.endswith("on 1 thread(s): the tenth percentile.")
    assert failed.startswith(f"Not timed: LiteRT cannot run {files['bad']}: ")


def test_without_timing_rows_stay_and_without_files_nothing_is_told(tmp_path):
    rows = [Row("a", "keras", dict.fromkeys(FIGURES))]
    assert timed(rows, {}, latency=True, num_threads=1) == (rows, [])
    _, (note,) = timed(rows, {"a": tmp_path}, latency=False, num_threads=1)
    assert note.startswith("Latency is the median that each run measured")
