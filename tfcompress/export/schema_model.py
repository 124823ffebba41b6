"""A .tflite file as the objects of the runtime's own schema."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tfcompress.errors import ModelError
from tfcompress.profiling.tflite_graph import parse_tflite

_UNREADABLE = (
    *(struct.error, ArithmeticError, AttributeError, LookupError),
    *(TypeError, ValueError, MemoryError),
)


def read_model(content: bytes, source: str) -> Any:
    """Returns the `ModelT` of a file given as bytes.

    Constants that stand behind the flatbuffer, as some tools write them, are in it.

    Raises:
      ModelError: the bytes are damaged, or no .tflite file; names `source`.
    """
    parse_tflite(content, source)
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
        for buffer in model.buffers:
            _bring_in(buffer, content)
    except _UNREADABLE as error:
        raise ModelError(
            f"{source} is damaged ({error}); copy it again, or convert the model again"
        ) from error
    return model


def _bring_in(buffer: Any, content: bytes) -> None:
    """Gives a buffer the bytes that it only points to."""
    # An offset of 1 says that the buffer has bytes nowhere.
    if buffer.offset > 1 and buffer.size:
        buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0


def tensors_of(model: Any) -> list[Any]:
    """Returns the tensors of all subgraphs."""
    return [tensor for graph in model.subgraphs for tensor in graph.tensors or ()]


def operators_of(model: Any) -> list[Any]:
    """Returns the operators of all subgraphs."""
    return [op for graph in model.subgraphs for op in graph.operators or ()]


def buffer_content(model: Any, index: int) -> bytes:
    """Returns the bytes of a buffer; an empty one has none."""
    data = model.buffers[index].data
    return b"" if data is None else bytes(data)


def plain(value: Any) -> Any:
    """Returns an object of the schema as tuples, which can be compared and hashed."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tobytes()
    if isinstance(value, list):
        return tuple(map(plain, value))
    if hasattr(value, "__dict__"):
        fields = sorted(vars(value).items())
        return tuple((name, plain(field)) for name, field in fields)
    return value


def meaning(model: Any, besides: Sequence[bytes] = ()) -> Any:
    """Returns all that a runtime makes of a file, as values that can be compared.

    Names of tensors, ranges that scales were made from, and in which buffer a content
    stands, mean nothing to it.

    Args:
      model: a `ModelT`.
      besides: names of metadata that do not count.
    """
    metadata = [entry for entry in model.metadata or () if entry.name not in besides]
    return (
        [_graph_meaning(model, graph) for graph in model.subgraphs],
        plain(model.signatureDefs or []),
        [(entry.name, buffer_content(model, entry.buffer)) for entry in metadata],
        [buffer_content(model, index) for index in _numbers(model.metadataBuffer)],
        plain([model.externalBufferGroups, model.externalBuffers]),
    )


def _graph_meaning(model: Any, graph: Any) -> Any:
    return (
        _numbers(graph.inputs),
        _numbers(graph.outputs),
        [_tensor_meaning(model, tensor) for tensor in graph.tensors or ()],
        [_operator_meaning(model, op) for op in graph.operators or ()],
    )


def _operator_meaning(model: Any, operator: Any) -> Any:
    fields = {name: plain(value) for name, value in vars(operator).items()}
    return {**fields, "opcodeIndex": plain(model.operatorCodes[operator.opcodeIndex])}


def _tensor_meaning(model: Any, tensor: Any) -> Any:
    shape, signature = _numbers(tensor.shape), _numbers(tensor.shapeSignature)
    quantization = tensor.quantization or schema.QuantizationParametersT()
    return (
        *(tensor.type, shape, signature or shape, bool(shape or tensor.hasRank)),
        *(tensor.isVariable, plain(tensor.sparsity), plain(tensor.variantTensors)),
        *(tensor.externalBuffer, buffer_content(model, tensor.buffer)),
        *(plain(quantization.scale), plain(quantization.zeroPoint)),
        *(quantization.quantizedDimension, quantization.detailsType),
        plain(quantization.details),
    )


def _numbers(vector: Any) -> list[int]:
    return [] if vector is None else [int(number) for number in vector]
