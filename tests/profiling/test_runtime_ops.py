import resource

import pytest
import small_file
import tiny

from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
from tfcompress.profiling.latency import measure_latency
from tfcompress.profiling.layer_file import LayerShape, build_layer_file
from tfcompress.profiling.runtime_ops import measure_runtime_ops, parse_summary

SUMMARY = """
================================ Run Order ================================
        [node type]  [start]  [first]  [avg ms]  [%]  [cdf%]  [mem KB] [times called] [Name]
   Delegate/Convolution (NHWC, QC8) IGEMM  0.000  0.071  0.075  19.664%  19.664%  0.000  10  [Delegate]:0
   SOFTMAX  0.000  0.002  0.001  0.385%  100.000%  0.000  10  [x]:1

======================= Top by Computation Time ==========================
   SOFTMAX  0.000  0.002  0.001  0.385%  99.697%  0.000  10  [x]:1
"""  # noqa: E501


def test_the_summary_is_read_in_the_order_of_execution():
    assert parse_summary(SUMMARY) == [
        ("Delegate/Convolution (NHWC, QC8) IGEMM", 0.075),
        ("SOFTMAX", 0.001),
    ]
    assert parse_summary("nothing was profiled") == []


def test_the_runtime_tells_the_time_of_its_operators(tmp_path):
    path = tmp_path / "m.tflite"
    export_tflite(tiny.model(), path, quantization="float32")
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    ops = measure_runtime_ops(path)
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used
    kinds = [op.name for op in ops]
    assert (
        sum("Convolution" in kind or "Fully Connected" in kind for kind in kinds) >= 4
    )
    # 20 blocks of 20 ms, and the start of Python; the profiler's own time is in them.
    assert used < 4


def test_an_operator_takes_as_long_as_the_run_that_it_is_all_of(tmp_path):
    path = tmp_path / "m.tflite"
    # 13 million MACs: a run of some hundred microseconds, of which the profiler's clock
    # shows whole ones.
    layer = LayerShape("CONV_2D", (28, 28))
    path.write_bytes(build_layer_file(layer, 128, 128, "float32"))
    (op,) = measure_runtime_ops(path)
    run = 1000 * measure_latency(path, seconds=0.3).p10
    # A unit taken for another would be a thousand times off.
    assert run / 4 < op.microseconds < 4 * run


def test_a_file_that_does_not_run_is_one_line(tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(small_file.relu_file()[:60])
    with pytest.raises(ModelError) as caught:
        measure_runtime_ops(path)
    assert "\n" not in str(caught.value)
