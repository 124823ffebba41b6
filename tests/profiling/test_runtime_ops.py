import resource

import pytest
import small_file
import tiny

from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
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
    assert all(0 <= op.microseconds < 1e6 for op in ops)
    # 20 blocks of 20 ms, and the start of Python; the profiler's own time is in them.
    assert used < 4


def test_a_file_that_does_not_run_is_one_line(tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(small_file.relu_file()[:60])
    with pytest.raises(ModelError) as caught:
        measure_runtime_ops(path)
    assert "\n" not in str(caught.value)
