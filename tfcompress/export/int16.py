"""Operators on int16 activations, as the runtime's kernels want them."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_Operator = schema.BuiltinOperator
_INT16 = schema.TensorType.INT16
_BIASES = {
    _Operator.CONV_2D: 2,
    _Operator.DEPTHWISE_CONV_2D: 2,
    _Operator.FULLY_CONNECTED: 2,
    _Operator.TRANSPOSE_CONV: 3,
}


def mend_int16(model: Any) -> None:
    """Mends what the converter makes of layers between int16 fake-quantizations.

    It writes biases as int32, with which CONV_2D gives wrong sums and other kernels
    are refused; says of ADD that its scales are powers of two; and goes between int8
    and int16 by way of float.

    Args:
      model: a `ModelT` with one graph; is changed in place.
    """
    (graph, *_) = model.subgraphs
    for op in graph.operators:
        if len(op.outputs) and graph.tensors[op.outputs[0]].type == _INT16:
            _mend(model, graph, op)
    _requantize_directly(model, graph)


def _mend(model: Any, graph: Any, op: Any) -> None:
    code = _code(model, op)
    if code == _Operator.ADD:
        op.builtinOptions.potScaleInt16 = False
    place = _BIASES.get(code)
    if place is None or len(op.inputs) <= place or op.inputs[place] < 0:
        return
    bias = graph.tensors[op.inputs[place]]
    if bias.type == schema.TensorType.INT32:
        values = np.frombuffer(model.buffers[bias.buffer].data.tobytes(), "<i4")
        wide = schema.BufferT()
        wide.data = np.frombuffer(values.astype("<i8").tobytes(), np.uint8)
        # Another bias may be in the same buffer.
        bias.buffer = len(model.buffers)
        model.buffers.append(wide)
        bias.type = schema.TensorType.INT64


def _requantize_directly(model: Any, graph: Any) -> None:
    """Leaves one operator of DEQUANTIZE and QUANTIZE where one follows the other."""
    sources = {
        op.outputs[0]: op.inputs[0]
        for op in graph.operators
        if _code(model, op) == _Operator.DEQUANTIZE
    }
    for op in graph.operators:
        if _code(model, op) == _Operator.QUANTIZE and op.inputs[0] in sources:
            op.inputs = np.array([sources[op.inputs[0]]], np.int32)
    used = {index for op in graph.operators for index in op.inputs}
    used.update(graph.outputs)
    graph.operators = [
        op
        for op in graph.operators
        if op.outputs[0] in used or op.outputs[0] not in sources
    ]


def _code(model: Any, op: Any) -> int:
    code: int = model.operatorCodes[op.opcodeIndex].builtinCode
    return code
