"""Taking the marks between float and int8 layers out of a file again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tfcompress.export.int16 import mend_int16
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
    _replace(graph, stands_for)
    mend_int16(model)
    _drop_unused_tensors(graph)
    return pack(model, len(content))


def _is_mark(model: Any, op: Any) -> bool:
    code = model.operatorCodes[op.opcodeIndex].builtinCode
    is_leaky = code == schema.BuiltinOperator.LEAKY_RELU
    return is_leaky and op.builtinOptions.alpha == PrecisionChange.SLOPE


def _replace(graph: Any, stands_for: Mapping[int, int]) -> None:
    """Gives operators other tensors."""
    for part in (graph, *graph.operators):
        part.inputs, part.outputs = (
            np.array([stands_for.get(int(n), int(n)) for n in numbers], np.int32)
            for numbers in (part.inputs, part.outputs)
        )


def _drop_unused_tensors(graph: Any) -> None:
    parts = (graph, *graph.operators)
    used = {int(n) for part in parts for n in (*part.inputs, *part.outputs)}
    # -1 is an input that is left out.
    kept = sorted(used - {-1})
    places = {index: place for place, index in enumerate(kept)} | {-1: -1}
    _replace(graph, places)
    graph.tensors = [graph.tensors[index] for index in kept]
