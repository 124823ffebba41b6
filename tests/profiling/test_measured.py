import pytest
import tensorflow as tf
import tiny
from ai_edge_litert import schema_py_generated as schema
from small_file import relu_file

from tfcompress.export import export_tflite
from tfcompress.profiling.measured import with_measurements
from tfcompress.profiling.tflite_file import profile_tflite


def test_counts_stay_and_what_a_run_tells_is_added(tmp_path):
    path = tmp_path / "m.tflite"
    export_tflite(tiny.model(), path, quantization="float32")
    counted = profile_tflite(path)
    found = with_measurements(counted, num_threads=1, batch_size=1)
    assert found.layers == counted.layers
    assert found.totals.macs == counted.totals.macs
    latency_ms = found.totals.latency_ms
    assert 0 < latency_ms["p10"] <= latency_ms["p50"] <= latency_ms["p90"]
    assert latency_ms["examples_per_second"] == 1000 / latency_ms["p50"]
    assert found.runtime_ops and found.arenas
    # Where there are no counters, that is said, and nothing stands in for them.
    is_told = any("energy is modelled only" in note for note in found.notes)
    measured = found.totals.measured_energy
    assert is_told == (measured is None)
    assert measured is None or measured.kind == "measured"
    assert found.totals.modelled_energy == counted.totals.modelled_energy


def test_what_is_not_of_the_batch_that_was_asked_for_is_told(tmp_path):
    path = tmp_path / "m.tflite"
    export_tflite(tiny.model(), path, quantization="float32")
    counted = profile_tflite(path)
    found = with_measurements(counted, num_threads=1, batch_size=8)
    assert found.totals.latency_ms["batch_size"] == 8
    told = "latency and measured energy are of runs of 8; counts, times by operator"
    assert any(note.startswith(told) for note in found.notes)
    assert found.totals.macs == counted.totals.macs


def converted(function, *specs):
    concrete = tf.function(function).get_concrete_function(
        *[tf.TensorSpec(shape, dtype) for shape, dtype in specs]
    )
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()


WEIGHTS, ROWS = tf.ones((8, 16)), tf.ones((3, 4))
ODD = {
    # Random numbers of all that int32 can be would not be among three rows.
    "indices": (lambda x: tf.gather(ROWS, x), [((1, 6), tf.int32)], 1),
    "scalar output": (tf.reduce_sum, [((1, 8), tf.float32)], 1),
    "transposed": (lambda x: tf.transpose(x @ WEIGHTS), [((1, 8), tf.float32)], 1),
    "two inputs": (lambda x, y: x @ y, [((1, 8), tf.float32), ((8, 2), tf.float32)], 1),
    "fixed batch": (lambda x: x @ WEIGHTS, [((4, 8), tf.float32)], 4),
    "vector": (tf.tanh, [((16,), tf.float32)], 1),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_file_is_timed_whatever_its_ports_are(tmp_path, kind):
    function, specs, batch = ODD[kind]
    path = tmp_path / "m.tflite"
    path.write_bytes(converted(function, *specs))
    found = with_measurements(profile_tflite(path), num_threads=1, batch_size=1)
    assert found.totals.latency_ms["p50"] > 0
    assert found.totals.latency_ms["batch_size"] == batch


def test_a_file_that_does_not_run_keeps_its_counts(tmp_path):
    path = tmp_path / "m.tflite"
    # There is no kernel of RELU for int32.
    path.write_bytes(relu_file(dtype=schema.TensorType.INT32))
    counted = profile_tflite(path)
    found = with_measurements(counted, num_threads=1, batch_size=1)
    assert found.totals == counted.totals and found.totals.latency_ms is None
    assert found.notes[-1].startswith(f"it was not run: LiteRT cannot run {path}")
