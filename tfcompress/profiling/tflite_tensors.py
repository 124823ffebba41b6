"""Plain Python values of what a .tflite file holds: tensors, operators, graphs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.errors import ModelError

FLOAT_DTYPES = frozenset({"float16", "bfloat16", "float32", "float64"})
_BITS = {
    **dict.fromkeys(("int2",), 2),
    **dict.fromkeys(("int4", "uint4"), 4),
    **dict.fromkeys(("int8", "uint8", "bool", "float8_e4m3fn", "float8_e5m2"), 8),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 16),
    **dict.fromkeys(("int32", "uint32", "float32"), 32),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 64),
    "complex128": 128,
}


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
      is_variable: whether it keeps its values from one run to the next.
      is_sparse: whether `content` holds the non-zero blocks only.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    content: npt.NDArray[np.uint8] | None
    is_variable: bool = False
    is_sparse: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Bytes that it takes: those in the file, or in memory where it is computed.

        Strings and resources are pointers of unknown content: 0.
        """
        if self.content is not None:
            return len(self.content)
        return -(-self.size * _BITS.get(self.dtype, 0) // 8)

    @property
    def is_parameter(self) -> bool:
        """Whether it is a number of the network: a shape, say, has no scale."""
        is_number = self.dtype in FLOAT_DTYPES or bool(len(self.scales))
        return self.content is not None and is_number

    @property
    def num_nonzero(self) -> int:
        """Number of elements of a constant that stand for another number than 0."""
        # Per channel every zero point is 0, which the schema demands of weights.
        zero = int(self.zero_points[0]) if len(self.zero_points) else 0
        return int(np.count_nonzero(self.values() != zero))

    def values(self) -> npt.NDArray[Any]:
        """Returns the elements of a constant, flat.

        Raises:
          ModelError: the bytes do not make up the shape.
        """
        content = np.empty(0, np.uint8) if self.content is None else self.content
        values: npt.NDArray[Any] = np.empty(0)
        if self.dtype in ("int2", "int4"):
            # Several to a byte, the lowest bits first.
            bits = _BITS[self.dtype]
            parts = [content << shift for shift in range(8 - bits, -1, -bits)]
            stacked = np.stack(parts, axis=-1).view(np.int8)
            values = (stacked >> (8 - bits)).ravel()[: self.size]
        elif self.dtype == "bfloat16":
            # The upper half of a float32.
            with suppress(ValueError):
                halves = np.frombuffer(content.tobytes(), "<u2").astype("<u4")
                values = (halves << 16).view("<f4")
        else:
            with suppress(TypeError, ValueError):
                dtype = np.dtype(self.dtype).newbyteorder("<")
                values = np.frombuffer(content.tobytes(), dtype)
        if len(values) != self.size and not self.is_sparse:
            raise ModelError(
                f"constant {self.name!r} has {len(content)} bytes, which do not make "
                f"up {self.dtype} {list(self.shape)}; convert the model again"
            )
        return values


@dataclass(frozen=True, eq=False)
class Op:
    """One operator of a graph, in order of execution; absent inputs are None.

    Args:
      name: as in the schema, such as `CONV_2D`; `CUSTOM:` and its name where it is none
        of the runtime's own.
      inputs: with the weights; absent ones are None.
      outputs: what it computes.
      options: those that decide how much it computes, by their names in the schema.
    """

    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

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
