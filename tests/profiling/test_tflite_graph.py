import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tfcompress.errors import ModelError
from tfcompress.profiling.tflite_graph import (
    Op,
    Tensor,
    is_tflite,
    parse_tflite,
    read_tflite,
)

NONE = np.empty(0)


def tensor(name="t", shape=(1, 2), content=None, dtype="float32"):
    return Tensor(name, dtype, shape, NONE, NONE, content)


def one_op_file(**changes):
    """An ADD of two tensors [1, 4] into a third; `changes` damage it."""
    code = schema.OperatorCodeT()
    code.builtinCode = changes.get("builtin", schema.BuiltinOperator.ADD)
    code.customCode = b"Odd"
    tensors = []
    for name in (b"model/a/x", b"model/b/x", b"model/sum/add"):
        each = schema.TensorT()
        each.name, each.shape, each.buffer = name, changes.get("shape", [1, 4]), 0
        tensors.append(each)
    op = schema.OperatorT()
    op.opcodeIndex = 0
    op.inputs, op.outputs = changes.get("inputs", [0, 1]), [2]
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = tensors, [op] * changes.get("num_ops", 1)
    graph.inputs, graph.outputs = [0, 1], [2]
    model = schema.ModelT()
    model.version, model.operatorCodes = 3, [code]
    model.subgraphs = [graph] * changes.get("num_graphs", 1)
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_graph_is_read_as_it_stands_in_the_file(tmp_path):
    path = tmp_path / "file.anything"
    path.write_bytes(one_op_file(inputs=[0, -1]))
    (graph,) = read_tflite(path)
    (op,) = graph.ops
    assert is_tflite(path)
    assert (op.name, op.layer) == ("ADD", "sum")
    assert [each and each.name for each in op.inputs] == ["model/a/x", None]
    assert [each.name for each in op.tensors] == ["model/a/x", "model/sum/add"]
    assert op.outputs[0].shape == (1, 4)
    assert graph.inputs[1].name == "model/b/x"


def test_custom_op_keeps_its_name():
    content = one_op_file(builtin=schema.BuiltinOperator.CUSTOM)
    assert parse_tflite(content)[0].ops[0].name == "CUSTOM:Odd"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_graphs": 0}, "no graph"),
        ({"inputs": [0, 7]}, "names tensor 7 of 3"),
        ({"inputs": [0, -2]}, "names tensor -2 of 3"),
        ({"shape": [1, -4]}, r"shape \[1, -4\]"),
        ({"builtin": 9999}, "9999"),
    ],
)
def test_contradictory_file_is_damaged(changes, message):
    with pytest.raises(ModelError, match=message) as caught:
        parse_tflite(one_op_file(**changes), "m.tflite")
    assert str(caught.value).startswith("m.tflite is damaged")


def test_small_file_cannot_describe_a_huge_graph():
    # One list of operators that all are the same table: written once, read often.
    content = one_op_file(inputs=[0] * 2000)
    builder_size = len(content)
    (graph,) = parse_tflite(content)
    assert len(graph.ops[0].inputs) == 2000
    shared = bytearray(content)
    model = schema.Model.GetRootAs(content, 0)
    table = model.Subgraphs(0)._tab
    vector = table.Vector(table.Offset(10))
    assert int.from_bytes(shared[vector - 4 : vector], "little") == 1
    # Stretch the operator list over what follows it: it runs out of room.
    shared[vector - 4 : vector] = builder_size.to_bytes(4, "little")
    with pytest.raises(ModelError, match="more entries than it has room for"):
        parse_tflite(bytes(shared))


def test_other_files_are_named_as_such(tmp_path):
    png = tmp_path / "m.tflite"
    png.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert not is_tflite(png)
    assert not is_tflite(tmp_path)
    with pytest.raises(ModelError, match=r"none does not exist; expected a model"):
        is_tflite(tmp_path / "none")
    with pytest.raises(ModelError, match="lacks the mark TFL3"):
        read_tflite(png)
    with pytest.raises(ModelError, match=r"none does not exist; expected a model"):
        read_tflite(tmp_path / "none")
    with pytest.raises(ModelError, match="is a folder; expected a model file"):
        read_tflite(tmp_path)
    png.write_bytes(b"")
    with pytest.raises(ModelError, match=r"m\.tflite is not a .* file: it is empty"):
        read_tflite(png)


def test_random_damage_is_read_or_refused():
    content = one_op_file()
    ends = set()
    for seed in range(500):
        random = np.random.default_rng(seed)
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[8 + random.integers(len(damaged) - 8, size=2)] = random.integers(256)
        try:
            parse_tflite(damaged.tobytes())
            ends.add("read")
        except ModelError:
            ends.add("refused")
    assert ends == {"read", "refused"}


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("model/relu/Relu6;model/bn/FusedBatchNormV3;model/conv/Conv2D", "conv"),
        ("model/quant_conv/Conv2D;model/quant_conv/LastValueQuant/FakeQuant", "conv"),
        ("model/relu/Relu;Conv2D", "relu"),
        ("Identity", "Identity"),
    ],
)
def test_layer_is_the_last_of_what_was_fused(name, layer):
    assert Op("CONV_2D", (tensor(),), (tensor(name),)).layer == layer


def test_layer_of_an_unnamed_output_is_that_of_its_constants():
    weights = tensor("model/dense/MatMul", content=np.zeros(8, np.uint8))
    assert Op("FULLY_CONNECTED", (weights,), (tensor("Identity"),)).layer == "dense"


def test_values_of_constants():
    content = np.array([1, -2], "<i2").view(np.uint8)
    values = tensor(shape=(2,), content=content, dtype="int16").values()
    assert values.tolist() == [1, -2]
    # 0x1F holds -1 (lower half) and 1; 0x08 holds -8, and a half unused.
    content = np.array([0x1F, 0x08], np.uint8)
    values = tensor(shape=(3,), content=content, dtype="int4").values()
    assert values.tolist() == [-1, 1, -8]
    with pytest.raises(ModelError, match="do not make up"):
        tensor(shape=(3,), content=content, dtype="float32").values()
