"""Taking the marks between float and int8 layers out of a file again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tfcompress.export.schema_model import read_model
from tfcompress.export.slimming import pack
from tfcompress.layers.precision_change import PrecisionChange


def without_precision_changes(content: bytes) -> bytes:
    """Returns a file in which no operator stands for a `PrecisionChange`.

    Args:
      content: the bytes of a file, as the converter wrote it; returned as they are if
        there is no such operator.
    """
    model = read_model(content, "the converted model")
    (graph, *_) = model.subgraphs
    marks = [op for op in graph.operators if _is_mark(model, op)]
    if not marks:
        return content
    stands_for: dict[int, int] = {}
    for op in marks:
        # In order of execution: what one mark is given may be the output of another.
        stands_for[op.outputs[0]] = stands_for.get(op.inputs[0], op.inputs[0])
    graph.operators = [op for op in graph.operators if op not in marks]
    _renumber(graph, stands_for)
    return pack(model, len(content))


def _is_mark(model: Any, op: Any) -> bool:
    code = model.operatorCodes[op.opcodeIndex].builtinCode
    is_leaky = code == schema.BuiltinOperator.LEAKY_RELU
    return is_leaky and op.builtinOptions.alpha == PrecisionChange.SLOPE


def _renumber(graph: Any, stands_for: Mapping[int, int]) -> None:
    """Gives operators other tensors, and leaves out those that nothing needs then."""
    kept = [index for index in range(len(graph.tensors)) if index not in stands_for]
    places = {index: place for place, index in enumerate(kept)}

    def moved(numbers: Any) -> Any:
        # -1 is an input that is left out.
        found = [places.get(stands_for.get(int(n), int(n)), -1) for n in numbers]
        return np.array(found, np.int32)

    for op in graph.operators:
        op.inputs, op.outputs = moved(op.inputs), moved(op.outputs)
    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    graph.tensors = [graph.tensors[index] for index in kept]
