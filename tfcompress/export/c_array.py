"""C arrays: a .tflite file as source code that firmware is built with."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.export.artifact import Artifact
from tfcompress.export.audit import Port
from tfcompress.export.ports import random_values, single_ports, stored_values
from tfcompress.profiling.stored_values import reference_outputs
from tfcompress.storage import write_bytes

_C_TYPES = {
    "int8": "std::int8_t",
    "uint8": "std::uint8_t",
    "int16": "std::int16_t",
    "float32": "float",
}
_MAX_NAME = 48

_HEADER = """\
// A neural network as a constant for firmware, written by tfcompress.
// File {file}: {size} bytes, SHA-256
// {digest}.
//
// {name}_data is to be handed to tflite::GetModel. A real value is
// scale * (stored - zero_point). {name}_test_output is what the network gives for
// {name}_test_input; kernels of firmware may be off by {name}_test_tolerance.
#ifndef {guard}
#define {guard}

#include <cstddef>
#include <cstdint>

extern const unsigned char {name}_data[];
constexpr std::size_t {name}_size = {size};

{input}
{output}
constexpr int {name}_test_tolerance = 1;
extern const {name}_input_type {name}_test_input[{name}_input_length];
extern const {name}_output_type {name}_test_output[{name}_output_length];

#endif  // {guard}
"""

_SOURCE = """\
#include "{name}.h"

alignas(16) const unsigned char {name}_data[] = {{
{data}
}};

const {name}_input_type {name}_test_input[{name}_input_length] = {{
{test_input}
}};

const {name}_output_type {name}_test_output[{name}_output_length] = {{
{test_output}
}};
"""


@dataclass(frozen=True)
class CArray:
    """Source code that was written.

    Args:
      header: the .h file.
      source: the .cc file, C++11 or later.
      name: what all its identifiers begin with.
    """

    header: Path
    source: Path
    name: str


def export_c_array(
    model: str | Path | Artifact,
    folder: str | Path,
    name: str | None = None,
    sample: npt.NDArray[Any] | None = None,
    seed: int = 0,
) -> CArray:
    """Writes a .tflite file as `NAME.h` and `NAME.cc`, with a self-test.

    They hold the file, aligned to 16 bytes, its length, type, shape, scale and zero
    point of input and output, an input, and the output that LiteRT's reference
    kernels give for it.

    Args:
      model: the file, of one input and one output.
      folder: where to write; it is made if need be.
      name: of files and identifiers; None takes the name of the file. What is no
        letter or digit becomes `_`.
      sample: the self-test's input in real values, of shape `(height, width,
        channels)`, such as a picture of the test set; None makes a random one.
      seed: of the random one.

    Returns:
      Where the files are.

    Raises:
      InvalidArgumentError: the sample does not fit the input, or is not finite.
      ModelError: the file cannot be read or run, or has inputs and outputs that are
        not one int8, uint8, int16 or float32 tensor each.
      WorkdirError: the folder cannot be written.

    Example:
      >>> tfc.export_c_array("model.tflite", "firmware").header
      PosixPath('firmware/model.h')
    """
    source = model.path if isinstance(model, Artifact) else model
    taken, given = single_ports(source)
    path = Path(source)
    for port in (taken, given):
        _check_port(port, path)
    content = path.read_bytes()
    identifier = c_identifier(path.stem if name is None else name)
    test_input = _test_input(taken, sample, seed)
    (test_output,) = reference_outputs(path, test_input[np.newaxis])
    words = {
        "name": identifier,
        "guard": f"{identifier.upper()}_H_",
        "file": re.sub(r"[^A-Za-z0-9._-]", "_", path.name),
        "size": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
        "input": _port_code(f"{identifier}_input", taken),
        "output": _port_code(f"{identifier}_output", given),
        "data": _rows(f"0x{byte:02x}" for byte in content),
        "test_input": _numbers(test_input),
        "test_output": _numbers(test_output),
    }
    header, source = (Path(folder) / f"{identifier}.{end}" for end in ("h", "cc"))
    write_bytes(header, _HEADER.format(**words).encode())
    write_bytes(source, _SOURCE.format(**words).encode())
    return CArray(header, source, identifier)


def c_identifier(name: str) -> str:
    """Returns a name that no C++ compiler objects to, whatever letters `name` has.

    Names that begin with a digit are none, those with `__` or a first `_` belong to
    the compiler; and as it is put before `_data`, it never is a word of the language.
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_MAX_NAME].strip("_")
    return plain if plain[:1].isalpha() else f"model_{plain}".strip("_")


def _check_port(port: Port, path: Path) -> None:
    scale_is_sound = port.scale is None or 0 < port.scale < math.inf
    if port.dtype not in _C_TYPES or not port.shape or not scale_is_sound:
        raise ModelError(
            f"{path} has an input or output of {port.dtype} {list(port.shape)} with "
            f"the scale {port.scale}; expected a tensor of {', '.join(_C_TYPES)}: "
            "export the model again"
        )


def _test_input(
    port: Port, sample: npt.NDArray[Any] | None, seed: int
) -> npt.NDArray[Any]:
    if sample is None:
        return random_values(port, 1, seed)[0]
    values = np.asarray(sample, np.float32)
    if values.shape not in (port.shape, port.shape[1:]):
        raise InvalidArgumentError(
            f"sample has the shape {values.shape}; expected {port.shape[1:]}"
        )
    if not np.isfinite(values).all():
        raise InvalidArgumentError(
            "sample has NaN or infinite values; expected real values of one image"
        )
    return stored_values(values, port).reshape(port.shape)


def _port_code(name: str, port: Port) -> str:
    length = math.prod(port.shape)
    lines = [
        f"using {name}_type = {_C_TYPES[port.dtype]};",
        f"constexpr int {name}_shape[] = {{{', '.join(map(str, port.shape))}}};",
        f"constexpr std::size_t {name}_length = {length};",
    ]
    if port.scale is not None:
        lines += [
            f"constexpr float {name}_scale = {_number(np.float32(port.scale))};",
            f"constexpr int {name}_zero_point = {port.zero_point};",
        ]
    return "\n".join([*lines, ""])


def _numbers(values: npt.NDArray[Any]) -> str:
    return _rows(_number(value) for value in values.ravel())


def _number(value: Any) -> str:
    """Returns the shortest literal that is read back as exactly this number."""
    return f"{value!s}f" if isinstance(value, np.floating) else str(value)


def _rows(items: Iterator[str], width: int = 12) -> str:
    words = list(items)
    rows = (words[start : start + width] for start in range(0, len(words), width))
    return "\n".join(f"    {', '.join(row)}," for row in rows)
