import pytest
from small_file import relu_file

from tfcompress.engines.onnx_file import convert
from tfcompress.errors import ModelError

pytest.importorskip("tf2onnx")


def test_integers_stay_integers(tmp_path):
    import onnx

    source, target = tmp_path / "m.tflite", tmp_path / "m.onnx"
    source.write_bytes(relu_file())
    convert(str(source), str(target))
    model = onnx.load(target)
    int8 = onnx.TensorProto.INT8
    ports = (*model.graph.input, *model.graph.output)
    assert [port.type.tensor_type.elem_type for port in ports] == [int8, int8]
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == ["DequantizeLinear", "Relu", "QuantizeLinear"]


def test_what_cannot_be_converted_is_one_line(tmp_path):
    with pytest.raises(ModelError, match=r"tf2onnx cannot convert .*none\.tflite"):
        convert(str(tmp_path / "none.tflite"), str(tmp_path / "m.onnx"))
