"""Reads a .tflite file into plain Python values, trusting nothing in it.

Only the flatbuffer schema is used: no interpreter, no TensorFlow. Runtimes show the
graph after their own rewriting; this is the graph as it stands in the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tfcompress.errors import ModelError
from tfcompress.field_types import describe_value
from tfcompress.profiling.tflite_tensors import Graph, Op, Tensor

_MARK = b"TFL3"
_ABSENT = -1
_MAX_TENSOR_BYTES = 1 << 40
# Accessors of the options that decide how much an operator computes.
_OPTIONS = (
    *("FusedActivationFunction", "FilterHeight", "FilterWidth", "AdjX", "AdjY"),
    *("Approximate", "Radius", "KernelOutputFeatureDimension"),
)
_OPTION_LISTS = ("LhsContractingDimensions", "WindowDimensions")


def is_tflite(path: str | Path) -> bool:
    """Returns whether a file's bytes, not its name, say that it is a .tflite file.

    Raises:
      ModelError: there is no such file, or it cannot be read.
    """
    if Path(path).is_dir():
        return False
    try:
        with Path(path).open("rb") as file:
            return file.read(8)[4:] == _MARK
    except FileNotFoundError:
        raise ModelError.not_a_file(path) from None
    except OSError as error:
        raise ModelError(
            f"cannot read the model {path}: {error.strerror}; expected a .keras, .h5 "
            "or .tflite file, check the path"
        ) from error


def read_file(path: str | Path) -> bytes:
    """Returns the bytes of a file.

    Raises:
      ModelError: it cannot be read, or no path was given.
    """
    if not isinstance(path, str | Path):
        raise ModelError(
            f"{describe_value(path)} was given; expected the path of a .tflite file: "
            "write one with tfcompress.export_tflite first"
        )
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise ModelError.not_a_file(path) from None
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot read {path}: {reason}; check the path"
        raise ModelError(message) from error


def read_tflite(path: str | Path) -> tuple[Graph, ...]:
    """Returns the graphs of a .tflite file, the main one first.

    Raises:
      ModelError: the file cannot be read, is damaged, or is no .tflite file.
    """
    return parse_tflite(read_file(path), source=str(path))


def parse_tflite(content: bytes, source: str = "model") -> tuple[Graph, ...]:
    """Returns the graphs of a .tflite file given as bytes, the main one first.

    Raises:
      ModelError: the bytes are damaged, or no .tflite file; names `source`.
    """
    if content[4:8] != _MARK:
        why = "it lacks the mark TFL3" if content else "it is empty"
        raise ModelError(
            f"{source} is not a .tflite file: {why}; give a file that the TFLite "
            "converter wrote"
        )
    try:
        return _Reader(content).graphs()
    except (
        struct.error,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        MemoryError,
    ) as error:
        raise ModelError(
            f"{source} is damaged ({error}); copy it again, or convert the model again"
        ) from error


class _Reader:
    """Walks the flatbuffer lazily.

    Tables of a flatbuffer may be shared, so that a small file can describe a huge
    graph; an honest file spends at least four bytes on each entry it lists.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._model = schema.Model.GetRootAs(content, 0)
        self._budget = len(content) // 4

    def graphs(self) -> tuple[Graph, ...]:
        """Returns every subgraph."""
        model = self._model
        self._op_names = [
            _op_name(model.OperatorCodes(index))
            for index in self._count(model.OperatorCodesLength())
        ]
        graphs = tuple(
            self._graph(model.Subgraphs(index))
            for index in self._count(model.SubgraphsLength())
        )
        if not graphs or not graphs[0].inputs or not graphs[0].outputs:
            raise ValueError("it has no graph with inputs and outputs")
        return graphs

    def _count(self, number: int) -> range:
        self._budget -= number
        if self._budget < 0:
            raise ValueError("it lists more entries than it has room for")
        return range(number)

    def _indices(self, numbers: Any) -> list[int]:
        # The generated accessors return the integer 0 for a vector that is absent.
        if isinstance(numbers, int):
            return []
        self._count(len(numbers))
        return [int(number) for number in numbers]

    def _graph(self, subgraph: Any) -> Graph:
        tensors = tuple(
            self._tensor(subgraph.Tensors(index))
            for index in self._count(subgraph.TensorsLength())
        )

        def named(numbers: Any) -> tuple[Tensor, ...]:
            return tuple(tensors[check(index)] for index in self._indices(numbers))

        def check(index: int) -> int:
            if not 0 <= index < len(tensors):
                raise ValueError(f"it names tensor {index} of {len(tensors)}")
            return index

        ops = []
        for index in self._count(subgraph.OperatorsLength()):
            operator = subgraph.Operators(index)
            ops.append(
                Op(
                    self._op_names[operator.OpcodeIndex()],
                    tuple(
                        None if number == _ABSENT else tensors[check(number)]
                        for number in self._indices(operator.InputsAsNumpy())
                    ),
                    named(operator.OutputsAsNumpy()),
                    _options(operator),
                )
            )
        return Graph(
            tensors,
            tuple(ops),
            named(subgraph.InputsAsNumpy()),
            named(subgraph.OutputsAsNumpy()),
        )

    def _tensor(self, tensor: Any) -> Tensor:
        shape = tuple(self._indices(tensor.ShapeAsNumpy()))
        if any(side < 0 for side in shape):
            raise ValueError(f"a tensor has the shape {list(shape)}")
        quantization = tensor.Quantization()
        scales = quantization.ScaleAsNumpy() if quantization else 0
        zero_points = quantization.ZeroPointAsNumpy() if quantization else 0
        read = Tensor(
            name=(tensor.Name() or b"").decode("utf-8", "replace"),
            dtype=_type_names()[tensor.Type()],
            shape=shape,
            scales=_vector(scales, np.float32),
            zero_points=_vector(zero_points, np.int64),
            content=self._buffer(tensor.Buffer()),
            is_variable=bool(tensor.IsVariable()),
            is_sparse=tensor.Sparsity() is not None,
        )
        if read.num_bytes > _MAX_TENSOR_BYTES:
            raise ValueError(f"a tensor has the shape {list(shape)}")
        return read

    def _buffer(self, index: int) -> npt.NDArray[np.uint8] | None:
        buffer = self._model.Buffers(index)
        # Files above 2 GB keep their constants behind the flatbuffer.
        start, size = buffer.Offset(), buffer.Size()
        if start > 1 and size:
            if start + size > len(self._content):
                raise ValueError(f"buffer {index} ends behind the end of the file")
            return np.frombuffer(self._content, np.uint8, size, start)
        content = buffer.DataAsNumpy()
        return None if isinstance(content, int) else content


def _vector(values: Any, dtype: type[Any]) -> npt.NDArray[Any]:
    return np.empty(0, dtype) if isinstance(values, int) else values


def _op_name(code: Any) -> str:
    # Files from before 2020 have the number in the field of one byte only.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _builtin_names()[number]
    if name == "CUSTOM":
        return f"CUSTOM:{(code.CustomCode() or b'').decode('utf-8', 'replace')}"
    return name


def _options(operator: Any) -> Mapping[str, Any]:
    """Returns the options of an operator that matter here, by their names."""
    options: dict[str, Any] = {}
    for names, kind, table in (
        (_option_names(), operator.BuiltinOptionsType(), operator.BuiltinOptions()),
        (_option2_names(), operator.BuiltinOptions2Type(), operator.BuiltinOptions2()),
    ):
        reader = getattr(schema, names.get(kind, ""), None)
        if table is None or reader is None:
            continue
        values = reader()
        values.Init(table.Bytes, table.Pos)
        for name in _OPTIONS:
            if hasattr(values, name):
                options[name] = getattr(values, name)()
        for name in _OPTION_LISTS:
            if hasattr(values, name) and not getattr(values, f"{name}IsNone")():
                options[name] = getattr(values, f"{name}AsNumpy")().tolist()
    return options


@cache
def _option_names() -> dict[int, str]:
    return _names_by_number(schema.BuiltinOptions)


@cache
def _option2_names() -> dict[int, str]:
    return _names_by_number(schema.BuiltinOptions2)


@cache
def _builtin_names() -> dict[int, str]:
    return _names_by_number(schema.BuiltinOperator)


@cache
def _type_names() -> dict[int, str]:
    return {
        number: name.lower()
        for number, name in _names_by_number(schema.TensorType).items()
    }


def _names_by_number(enumeration: Any) -> dict[int, str]:
    members: Iterable[tuple[str, Any]] = vars(enumeration).items()
    return {number: name for name, number in members if isinstance(number, int)}
