"""Telling what a file is by its first bytes, and what to do with other kinds."""

from __future__ import annotations

from pathlib import Path

from tfcompress.errors import ModelError

_ARCHIVE = b"PK\x03\x04"
_TFLITE = b"TFL3"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICTURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"RIFF": "WebP",
}
_EXPECTED = "expected a .keras or .h5 file, or the folder of a SavedModel"


def kind_of(path: Path) -> str:
    """Returns `archive` or `hdf5`.

    Raises:
      ModelError: the file is of another kind, which is named.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(_ARCHIVE):
        return "archive"
    if start.startswith(_HDF5):
        return "hdf5"
    expected = _EXPECTED
    if path.suffix == ".tflite" and start[4:8] != _TFLITE:
        expected = "expected what its name says: convert the model to .tflite again"
    raise ModelError(f"it is {_other(start, path.suffix)}; {expected}")


def _other(start: bytes, suffix: str) -> str:
    if not start:
        return "empty"
    if _ARCHIVE.startswith(start) or _HDF5.startswith(start):
        return "cut short after a few bytes: copy or save it again"
    for magic, name in _PICTURES.items():
        if start.startswith(magic):
            return f"a {name} picture"
    if start[4:8] == _TFLITE:
        return "a .tflite file, which no longer holds layers"
    if start.lstrip().startswith(b"{"):
        return "JSON, perhaps an architecture without weights: save the whole model"
    if (start[:1] == b"\x08" and start[2:3] == b"\x12") or suffix == ".onnx":
        return "an ONNX model: save the Keras model that it was made from"
    if suffix == ".pb":
        return "a part of a SavedModel: give its folder"
    if start.startswith(b"\x93NUMPY"):
        return "a NumPy array"
    if start.startswith(b"PK"):
        return "an empty archive"
    return "no model file"
