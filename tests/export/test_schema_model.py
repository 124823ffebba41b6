import copy

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tfcompress.errors import ModelError
from tfcompress.export.schema_model import (
    buffer_content,
    meaning,
    operators_of,
    plain,
    read_model,
    tensors_of,
)


def one_op_model():
    quantization = schema.QuantizationParametersT(
        scale=np.array([0.5, 0.25], np.float32), zeroPoint=np.array([0, 0], np.int64)
    )
    weights = schema.TensorT(
        shape=np.array([2], np.int32), type=9, buffer=1, quantization=quantization
    )
    weights.name = b"weights"
    graph = schema.SubGraphT(
        tensors=[weights, schema.TensorT(shape=np.array([2], np.int32), type=9)],
        operators=[
            schema.OperatorT(
                inputs=np.array([1, 0], np.int32), outputs=np.array([1], np.int32)
            )
        ],
        inputs=np.array([1], np.int32),
        outputs=np.array([1], np.int32),
    )
    return schema.ModelT(
        operatorCodes=[schema.OperatorCodeT(builtinCode=3)],
        subgraphs=[graph],
        buffers=[schema.BufferT(), schema.BufferT(data=np.array([1, 2], np.uint8))],
        metadata=[schema.MetadataT(name=b"labels", buffer=1)],
    )


def test_parts_are_listed():
    model = one_op_model()
    assert [tensor.type for tensor in tensors_of(model)] == [9, 9]
    assert [list(op.inputs) for op in operators_of(model)] == [[1, 0]]
    assert (buffer_content(model, 0), buffer_content(model, 1)) == (b"", b"\1\2")
    empty = schema.ModelT(subgraphs=[schema.SubGraphT()])
    assert tensors_of(empty) == operators_of(empty) == []


def test_plain_tells_types_of_numbers_apart():
    ints, floats = np.array([0], np.int32), np.array([0], np.float32)
    assert plain(ints) == plain(ints.copy()) != plain(floats)
    assert plain([schema.BufferT()]) == plain([schema.BufferT()])


def rename(model):
    model.subgraphs[0].tensors[0].name = b"0"


def move_buffer(model):
    model.buffers.append(copy.copy(model.buffers[1]))
    model.subgraphs[0].tensors[0].buffer = 2


def move_code(model):
    model.operatorCodes.insert(0, schema.OperatorCodeT(builtinCode=4))
    model.subgraphs[0].operators[0].opcodeIndex = 1


def set_ranges(model):
    model.subgraphs[0].tensors[0].quantization.min = np.array([0.0], np.float32)


def set_rank(model):
    model.subgraphs[0].tensors[0].hasRank = True


def set_signature(model):
    model.subgraphs[0].tensors[0].shapeSignature = np.array([2], np.int32)


def add_empty_quantization(model):
    quantization = schema.QuantizationParametersT()
    model.subgraphs[0].tensors[1].quantization = quantization


def drop_metadata(model):
    model.metadata = None


@pytest.mark.parametrize(
    "change",
    [
        *(rename, move_buffer, move_code, set_ranges, set_rank, set_signature),
        *(add_empty_quantization, drop_metadata),
    ],
)
def test_what_a_runtime_does_not_see_has_no_meaning(change):
    model, changed = one_op_model(), one_op_model()
    change(changed)
    ignored = (b"labels",)
    assert meaning(model, besides=ignored) == meaning(changed, besides=ignored)


def change_weight(model):
    model.buffers[1].data = np.array([1, 3], np.uint8)


def change_code(model):
    model.operatorCodes[0].builtinCode = 4


def change_scale(model):
    tensor = model.subgraphs[0].tensors[0]
    tensor.quantization.scale = np.array([0.5, 0.125], np.float32)


def change_axis(model):
    model.subgraphs[0].tensors[0].quantization.quantizedDimension = 1


def change_type(model):
    model.subgraphs[0].tensors[1].type = 0


def change_shape(model):
    model.subgraphs[0].tensors[1].shape = np.array([1], np.int32)


def open_batch(model):
    model.subgraphs[0].tensors[1].shapeSignature = np.array([-1], np.int32)


def change_inputs(model):
    model.subgraphs[0].operators[0].inputs = np.array([0, 1], np.int32)


def change_options(model):
    model.subgraphs[0].operators[0].builtinOptions = schema.Conv2DOptionsT()


def change_output(model):
    model.subgraphs[0].outputs = np.array([0], np.int32)


def add_signature(model):
    model.signatureDefs = [schema.SignatureDefT(signatureKey=b"serving")]


@pytest.mark.parametrize(
    "change",
    [
        *(change_weight, change_code, change_scale, change_axis, change_type),
        *(change_shape, open_batch, change_inputs, change_options, change_output),
        *(add_signature, drop_metadata),
    ],
)
def test_what_a_runtime_sees_has_meaning(change):
    model, changed = one_op_model(), one_op_model()
    change(changed)
    assert meaning(model) != meaning(changed)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"\x10\0\0\0TFL3"])
def test_what_is_no_file_of_the_schema_is_one_line(content):
    with pytest.raises(ModelError, match=r"^m\.tflite is ") as caught:
        read_model(content, "m.tflite")
    assert "\n" not in str(caught.value)
