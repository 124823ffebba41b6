import tiny

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
    assert is_told == (found.totals.measured_energy is None)
