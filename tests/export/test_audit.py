import numpy as np
import pytest

from tfcompress.errors import ModelError
from tfcompress.export.audit import Kernel, Port, audit_graphs, audit_tflite
from tfcompress.profiling.tflite_graph import Graph, Op, Tensor
from tfcompress.quantization.shared_values import WeightCounts


def tensor(name, dtype="int8", scale=None):
    scales = np.array([] if scale is None else [scale], np.float32)
    return Tensor(name, dtype, (1, 4), scales, np.full(len(scales), 3), None)


IMAGE = tensor("image", scale=0.5)
HIDDEN = tensor("model/gelu/x", "float32")
OUTPUT = tensor("Identity", scale=0.25)
MAIN = Graph(
    (IMAGE, HIDDEN, OUTPUT),
    (
        Op("RESHAPE", (IMAGE, None), (IMAGE,)),
        Op("GELU", (IMAGE,), (HIDDEN,)),
        Op("QUANTIZE", (HIDDEN,), (OUTPUT,)),
        Op("RESHAPE", (OUTPUT,), (OUTPUT,)),
    ),
    (IMAGE,),
    (OUTPUT,),
)
BODY = Graph((HIDDEN,), (Op("EXP", (HIDDEN,), (HIDDEN,)),), (), ())


def test_ops_are_counted_over_all_graphs_most_frequent_first():
    audit = audit_graphs((MAIN, BODY))
    assert list(audit.ops.items()) == [
        ("RESHAPE", 2),
        ("EXP", 1),
        ("GELU", 1),
        ("QUANTIZE", 1),
    ]


def test_float_ops_read_or_write_float_tensors():
    audit = audit_graphs((MAIN, BODY))
    assert audit.float_ops == (
        ("GELU", "gelu"),
        ("QUANTIZE", "Identity"),
        ("EXP", "gelu"),
    )
    assert audit.float_tensors == ("model/gelu/x", "model/gelu/x")


def test_ports_carry_scale_and_zero_point_where_there_are_any():
    audit = audit_graphs((MAIN,))
    assert audit.input == Port("int8", (1, 4), 0.5, 3)
    assert audit.output == Port("int8", (1, 4), 0.25, 3)
    plain = Graph((HIDDEN,), (), (HIDDEN,), (HIDDEN,))
    assert audit_graphs((plain,)).input == Port("float32", (1, 4), None, None)


def test_kernels_are_counted_by_output_channel():
    values = np.array([[3, 4, 5], [4, 4, 4]], np.int8)
    kernel = Tensor(
        "model/dense/MatMul",
        "int8",
        values.shape,
        np.array([0.1], np.float32),
        np.array([4]),
        values.view(np.uint8).ravel(),
    )
    graph = Graph((), (Op("FULLY_CONNECTED", (IMAGE, kernel), (OUTPUT,)),), (), ())
    (found,) = audit_graphs((MAIN, graph)).kernels
    # 4 is the zero point.
    assert found == Kernel("dense", WeightCounts(6, 4, 3, 3))
    assert audit_graphs((MAIN, graph)).to_dict()["kernels"] == [
        {
            "layer": "dense",
            "num_weights": 6,
            "num_zeros": 4,
            "num_values": 3,
            "num_channel_values": 3,
        }
    ]


def test_damaged_file_is_one_line(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"not a \.tflite file"):
        audit_tflite(path)
