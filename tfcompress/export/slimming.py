"""Slimming: a .tflite file without the bytes that no runtime needs.

The converter writes a name of dozens of letters for every tensor, a zero point for
every channel though all are 0, and each equal vector anew. In small networks that is
more than the weights. What is computed does not change by a bit.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tfcompress.errors import ExportError, InvalidArgumentError, ModelError
from tfcompress.export.schema_model import (
    buffer_content,
    meaning,
    operators_of,
    plain,
    read_model,
    tensors_of,
)
from tfcompress.export.sharing_builder import SharingBuilder
from tfcompress.profiling.tflite_graph import read_tflite
from tfcompress.storage import write_bytes

NAMES = ("short", "keep", "drop")
_CONVERSION_METADATA = (b"min_runtime_version", b"CONVERSION_METADATA")
# XNNPACK and firmware read constants where they stand in the file, 16 bytes at a time.
_BUFFER_ALIGNMENT = 16
_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyz"


def slim_tflite(
    path: str | Path,
    output: str | Path,
    names: str = "short",
    keep_metadata: bool = False,
) -> int:
    """Writes a smaller .tflite file that computes the same, bit by bit.

    Left out are names of tensors, the ranges (min/max) that scales were made from,
    what tells of the conversion, and buffers and operator codes that nothing uses.
    Equal vectors, strings, tables and buffers are stored once: scales, zero points,
    shapes, options. Signatures and other metadata stay. `export_tflite` does all this
    to integer files by itself. Constants behind the flatbuffer are put into it.

    Args:
      path: the file to read.
      output: the file to write, whole or not at all; may be the same.
      names: of tensors. `short` numbers them, since OpenVINO tells tensors apart by
        their names; `keep`; `drop` leaves them out, for firmware.
      keep_metadata: whether the converter's version, options and description stay.

    Returns:
      The size of the new file in bytes. Equal files give an equal file.

    Raises:
      InvalidArgumentError: another value for `names`.
      ModelError: the file cannot be read, is damaged, is no .tflite file, or has
        weights or other files behind its flatbuffer.
      WorkdirError: the output cannot be written.

    Example:
      >>> tfc.slim_tflite("model.tflite", "slim.tflite")
      19696
    """
    read_tflite(path)
    content = slim(Path(path).read_bytes(), names, keep_metadata, source=str(path))
    write_bytes(output, content)
    return len(content)


def slim(
    content: bytes,
    names: str = "short",
    keep_metadata: bool = False,
    source: str = "model",
) -> bytes:
    """Does to the bytes of a file what `slim_tflite` does; `source` is its name."""
    if names not in NAMES:
        raise InvalidArgumentError(
            f"names is {names!r}; expected one of {', '.join(NAMES)}"
        )
    model = read_model(content, source)
    _check_complete(model, content, source)
    if not keep_metadata:
        _drop_conversion_metadata(model)
    for tensor in tensors_of(model):
        _drop_what_says_nothing(tensor)
    for graph in model.subgraphs:
        _rename(graph, names)
    slimmed = pack(model, len(content))
    _check_same(slimmed, content, source)
    return slimmed


def _check_complete(model: Any, content: bytes, source: str) -> None:
    """Refuses a file of which the objects of the schema do not hold all."""
    operators = operators_of(model)
    if any(op.largeCustomOptionsOffset for op in operators) or _has_attachments(
        content
    ):
        raise ModelError(
            f"{source} has other files behind its flatbuffer, which "
            "slimming would lose; convert the model without them"
        )
    for op in operators:
        if (op.builtinOptionsType and op.builtinOptions is None) or (
            op.builtinOptions2Type and op.builtinOptions2 is None
        ):
            raise ModelError(
                f"{source} has operators that are newer than the installed "
                "ai-edge-litert; install a later one, or leave the file as it is"
            )


def _has_attachments(content: bytes) -> bool:
    """Returns whether labels and the like follow, as TFLite Metadata appends them."""
    try:
        return bool(zipfile.ZipFile(io.BytesIO(content)).namelist())
    except zipfile.BadZipFile:
        return False


def _drop_conversion_metadata(model: Any) -> None:
    entries = model.metadata or ()
    kept = [entry for entry in entries if entry.name not in _CONVERSION_METADATA]
    model.metadata = kept or None
    model.description = None


def _share_operator_codes(model: Any) -> None:
    """Leaves each code once, the most used first: a reference to code 0 is free."""
    codes = [plain(code) for code in model.operatorCodes]
    operators = operators_of(model)
    uses = Counter(codes[op.opcodeIndex] for op in operators)
    order = sorted(uses, key=lambda code: (-uses[code], codes.index(code)))
    for op in operators:
        op.opcodeIndex = order.index(codes[op.opcodeIndex])
    model.operatorCodes = [model.operatorCodes[codes.index(code)] for code in order]


def _share_buffers(model: Any) -> None:
    """Leaves each content once, and only what something refers to.

    Buffer 0 is empty by convention: what is computed refers to it.
    """
    places = {b"": 0}
    buffers = [schema.BufferT()]

    def place(index: int) -> int:
        content = buffer_content(model, index)
        if content not in places:
            places[content] = len(buffers)
            buffers.append(model.buffers[index])
        return places[content]

    for referrer in (*tensors_of(model), *(model.metadata or ())):
        referrer.buffer = place(referrer.buffer)
    if model.metadataBuffer is not None:
        numbers = [place(index) for index in model.metadataBuffer]
        model.metadataBuffer = np.array(numbers, np.int32)
    model.buffers = buffers


def _drop_what_says_nothing(tensor: Any) -> None:
    if tensor.shape is not None and len(tensor.shape):
        # It tells a scalar from a tensor of unknown shape, and nothing else.
        tensor.hasRank = False
    if np.array_equal(tensor.shapeSignature, tensor.shape):
        tensor.shapeSignature = None
    quantization = tensor.quantization
    if quantization is None:
        return
    if quantization.scale is not None and len(quantization.scale):
        quantization.min = quantization.max = None
    elif plain(quantization) == plain(schema.QuantizationParametersT()):
        tensor.quantization = None


def _rename(graph: Any, names: str) -> None:
    if names == "keep":
        return
    fresh = _numerals()
    # Constants that are equal in all else get one name, and so are one table.
    names_of: dict[Any, bytes] = {}
    for index, tensor in enumerate(graph.tensors or ()):
        tensor.name = None
        if names == "short":
            is_constant = tensor.buffer and not tensor.isVariable
            key = plain(tensor) if is_constant else index
            if key not in names_of:
                names_of[key] = next(fresh)
            tensor.name = names_of[key]


def _numerals() -> Iterator[bytes]:
    """Yields 0, 1, ... in base 36."""
    for number in count():
        numeral = b""
        while number or not numeral:
            number, digit = divmod(number, len(_DIGITS))
            numeral = _DIGITS[digit : digit + 1] + numeral
        yield numeral


def pack(model: Any, size: int) -> bytes:
    """Returns the file of a `ModelT`, which is changed: what is equal is stored once.

    Args:
      model: as `read_model` returned it, or changed.
      size: about as many bytes as the file will have.
    """
    _share_operator_codes(model)
    _share_buffers(model)
    builder = SharingBuilder(size)
    _place_constants(builder, model)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _place_constants(builder: SharingBuilder, model: Any) -> None:
    """Writes constants and scales in an order that leaves few gaps.

    A flatbuffer is written from its end. Each constant is followed by the table that
    refers to it and by its scales: where channels come in fours, the three together
    fill whole multiples of 16 bytes.
    """
    scales = defaultdict(list)
    for tensor in tensors_of(model):
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            scales[tensor.buffer].append(tensor.quantization.scale)
    waiting = defaultdict(list)
    for index in reversed(range(1, len(model.buffers))):
        remainder = model.buffers[index].data.size % _BUFFER_ALIGNMENT
        waiting[remainder].append(index)
    while waiting:
        remainder = min(
            waiting, key=lambda size: builder.padding_before(size, _BUFFER_ALIGNMENT)
        )
        index = waiting[remainder].pop()
        if not waiting[remainder]:
            del waiting[remainder]
        builder.create_vector(model.buffers[index].data, _BUFFER_ALIGNMENT)
        model.buffers[index].Pack(builder)
        for vector in scales[index]:
            builder.CreateNumpyVector(vector)


def _check_same(slimmed: bytes, content: bytes, source: str) -> None:
    """Reads both files again and compares what a runtime makes of them."""
    before, after = (
        meaning(read_model(file, source), besides=_CONVERSION_METADATA)
        for file in (content, slimmed)
    )
    if before != after:
        raise ExportError(
            f"slimming would change what {source} computes, which is a mistake of "
            "tfcompress; export with slim=False, and report the file"
        )
