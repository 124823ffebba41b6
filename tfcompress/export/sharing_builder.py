"""A flatbuffer builder that stores what is equal once."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt


class SharingBuilder(flatbuffers.Builder):
    """Writes each vector of numbers, each string and each table once.

    References of a flatbuffer are offsets, and several may lead to one place. The
    generated `Pack` methods write the same thing as often as they meet it; what they
    write again is taken back here, and they are given the first one's offset.

    Example:
      >>> builder = SharingBuilder(len(content))
      >>> builder.Finish(model.Pack(builder), b"TFL3")
      >>> slim = bytes(builder.Output())
    """

    def __init__(self, initial_size: int = 1024) -> None:
        super().__init__(initial_size)
        self._vectors: dict[tuple[Any, ...], int] = {}
        self._tables: dict[tuple[Any, ...], int] = {}
        self._fields: list[tuple[Any, ...]] = []

    def padding_before(self, num_bytes: int, alignment: int) -> int:
        """Returns the bytes lost if a vector of `num_bytes` came next."""
        return int(-(self.Offset() + num_bytes) % alignment)

    def create_vector(self, values: npt.NDArray[Any], alignment: int) -> int:
        """Writes a vector of numbers, unless there is one; returns its offset.

        Args:
          values: one-dimensional.
          alignment: of the first element in the file, in bytes; of no effect where
            an equal vector is there already.
        """
        payload = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        key = (values.itemsize, payload)
        if key not in self._vectors:
            self.StartVector(values.itemsize, values.size, alignment)
            self.head -= len(payload)
            self.Bytes[self.head : self.head + len(payload)] = payload
            self._vectors[key] = self.EndVector()
        return self._vectors[key]

    def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802
        """Writes a vector as `create_vector` does, aligned as its elements need."""
        return self.create_vector(np.ravel(x), x.itemsize)

    def CreateString(self, s: Any, *options: Any) -> int:  # noqa: N802
        """Writes a string, unless there is an equal one; returns its offset."""
        key = ("string", s.encode() if isinstance(s, str) else bytes(s))
        if key not in self._vectors:
            self._vectors[key] = super().CreateString(s, *options)
        return self._vectors[key]

    def StartObject(self, numfields: int) -> None:  # noqa: N802
        """Begins a table."""
        super().StartObject(numfields)
        self._fields = []

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:  # noqa: N802
        """Writes a field that is a number, unless it has the default value."""
        if x != d:
            self._fields.append((o, flags, x))
        super().PrependSlot(flags, o, x, d)

    def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:  # noqa: N802
        """Writes a field that refers to something written before."""
        if x != d:
            self._fields.append((o, "reference", x))
        super().PrependUOffsetTRelativeSlot(o, x, d)

    def EndObject(self) -> int:  # noqa: N802
        """Ends a table; returns the offset of the first one with these fields.

        Tables of two types with the same fields are the same bytes: the type of a
        table stands in what refers to it.
        """
        key = tuple(self._fields)
        if key in self._tables:
            self.head = len(self.Bytes) - self.objectEnd
            self.current_vtable = None
            self.nested = False
        else:
            self._tables[key] = super().EndObject()
        return self._tables[key]
