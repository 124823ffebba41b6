"""Reads a .tflite file into plain Python values, trusting nothing in it.

Only the flatbuffer schema is used: no interpreter, no TensorFlow. Runtimes show the
graph after their own rewriting; this is the graph as it stands in the file.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tfcompress.errors import ModelError, ModelNotFoundError

FLOAT_DTYPES = frozenset({"float16", "bfloat16", "float32", "float64"})
_MARK = b"TFL3"
_ABSENT = -1


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a graph.

    Args:
      name: as the converter wrote it, such as `model/conv/Conv2D`.
      dtype: numpy's name of the type, such as `int8`.
      shape: sizes at batch 1.
      scales: one per tensor or per channel; empty where it is not quantized.
      zero_points: as many as scales.
      content: raw little-endian bytes of a constant; None for what is computed.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    content: npt.NDArray[np.uint8] | None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def values(self) -> npt.NDArray[Any]:
        """Returns the elements of a constant, flat.

        Raises:
          ModelError: the bytes do not make up the shape.
        """
        content = np.empty(0, np.uint8) if self.content is None else self.content
        values: npt.NDArray[Any] = np.empty(0)
        if self.dtype == "int4":
            # Two to a byte, the lower half first.
            halves = np.stack([content << 4, content], axis=-1)
            values = (halves.view(np.int8) >> 4).ravel()[: self.size]
        else:
            with suppress(TypeError, ValueError):
                dtype = np.dtype(self.dtype).newbyteorder("<")
                values = np.frombuffer(content.tobytes(), dtype)
        if len(values) != self.size:
            raise ModelError(
                f"constant {self.name!r} has {len(content)} bytes, which do not make "
                f"up {self.dtype} {list(self.shape)}; convert the model again"
            )
        return values


@dataclass(frozen=True, eq=False)
class Op:
    """One operator of a graph, in order of execution; absent inputs are None."""

    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Inputs that are there, then outputs."""
        return (*(tensor for tensor in self.inputs if tensor), *self.outputs)

    @property
    def layer(self) -> str:
        """Name of the Keras layer that the operator came from, as far as it is told.

        The converter joins the names of what it fused with `;`, the layer that holds
        the weights last, each as `model/layer/op`. A grouped convolution loses its
        name on the way; then what was fused with it tells.
        """
        constants = [tensor for tensor in self.tensors if tensor.content is not None]
        for tensor in (*self.outputs, *constants):
            for part in reversed(tensor.name.split(";")):
                scopes = part.split("/")
                if len(scopes) > 2:
                    return scopes[1].removeprefix("quant_")
        return self.outputs[0].name if self.outputs else self.name


@dataclass(frozen=True, eq=False)
class Graph:
    """One subgraph; a file has one, and more where there is control flow."""

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


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
        raise ModelNotFoundError(path) from None
    except OSError as error:
        raise ModelError(
            f"cannot read the model {path}: {error.strerror}; expected a .keras, .h5 "
            "or .tflite file, check the path"
        ) from error


def read_tflite(path: str | Path) -> tuple[Graph, ...]:
    """Returns the graphs of a .tflite file, the main one first.

    Raises:
      ModelError: the file cannot be read, is damaged, or is no .tflite file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot read {path}: {reason}; check the path"
        raise ModelError(message) from error
    return parse_tflite(content, source=str(path))


def parse_tflite(content: bytes, source: str = "model") -> tuple[Graph, ...]:
    """Returns the graphs of a .tflite file given as bytes, the main one first.

    Raises:
      ModelError: the bytes are damaged, or no .tflite file; names `source`.
    """
    if content[4:8] != _MARK:
        raise ModelError(
            f"{source} is not a .tflite file: it lacks the mark TFL3; give a file "
            "that the TFLite converter wrote"
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
        content = self._model.Buffers(tensor.Buffer()).DataAsNumpy()
        quantization = tensor.Quantization()
        scales = quantization.ScaleAsNumpy() if quantization else 0
        zero_points = quantization.ZeroPointAsNumpy() if quantization else 0
        return Tensor(
            name=(tensor.Name() or b"").decode("utf-8", "replace"),
            dtype=_type_names()[tensor.Type()],
            shape=shape,
            scales=_vector(scales, np.float32),
            zero_points=_vector(zero_points, np.int64),
            content=None if isinstance(content, int) else content,
        )


def _vector(values: Any, dtype: type[Any]) -> npt.NDArray[Any]:
    return np.empty(0, dtype) if isinstance(values, int) else values


def _op_name(code: Any) -> str:
    # Files from before 2020 have the number in the field of one byte only.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _builtin_names()[number]
    if name == "CUSTOM":
        return f"CUSTOM:{(code.CustomCode() or b'').decode('utf-8', 'replace')}"
    return name


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
