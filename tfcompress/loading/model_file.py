"""What a Keras model file holds: an architecture as JSON and arrays, nothing else.

Model files come from strangers. What is checked before a byte of weights is read, and
the holes it closes (CVE numbers are those of Keras):

- links out of an HDF5 file, external storage, virtual sets: CVE-2026-1669
- arrays that declare more than is stored: CVE-2026-0897
- archives that unpack to far more than their size, or name a member twice
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from tfcompress.errors import ModelError

_MAX_CONFIG_BYTES = 64 * 2**20
_MAX_ZIP_RATIO = 100
_MAX_HDF5_OBJECTS = 200_000


@dataclass(frozen=True)
class ModelFile:
    """The content of a Keras model file.

    Args:
      config: the architecture, as its JSON says; not checked yet.
      arrays: weights by group: by path (`layers/conv2d_1`) or, in a legacy file, by
        layer name; in the order of the layer's variables.
      legacy: whether `arrays` goes by layer name.
      keras_version: version of the Keras that wrote the file, such as `3.15.1`.
    """

    config: dict[str, Any]
    arrays: dict[str, list[np.ndarray]]
    legacy: bool
    keras_version: str


def read_model_file(path: Path) -> ModelFile:
    """Reads a `.keras` archive or a legacy `.h5` file; its first bytes tell which.

    Raises:
      ModelError: it is neither, it is damaged, or it asks for what a model file has
        no need of.
    """
    if path.is_dir():
        raise ModelError(f"{path} is a folder; expected a .keras or .h5 file.")
    with path.open("rb") as file:
        start = file.read(8)
        if start.startswith(b"PK\x03\x04"):
            return _read_archive(file)
        if start == b"\x89HDF\r\n\x1a\n":
            return _read_legacy(file, path.stat().st_size)
    if start[4:] == b"TFL3":
        raise ModelError(f"{path} is a .tflite file; expected a .keras or .h5 file.")
    what = "empty" if not start else "no .keras, .h5 or .tflite file"
    raise ModelError(f"{path} is {what}; save or convert the model again.")


def _read_archive(file: BinaryIO) -> ModelFile:
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise ModelError(
                "two members of its archive bear one name; do not trust it"
            )
        largest = _MAX_ZIP_RATIO * file.seek(0, io.SEEK_END) + 2**20

        def read(name: str, limit: int) -> bytes:
            if name not in members:
                raise ModelError(f"its archive holds no {name}; save the model again")
            if members[name].file_size > limit:
                raise ModelError(
                    f"{name} unpacks to a suspicious size; do not trust it"
                )
            return archive.read(name)

        config = json.loads(read("config.json", min(_MAX_CONFIG_BYTES, largest)))
        metadata = json.loads(read("metadata.json", 2**20))
        weights = read("model.weights.h5", largest)
    with h5py.File(io.BytesIO(weights), "r") as hdf5:
        groups: dict[str, dict[int, np.ndarray]] = {}
        for name, dataset in _checked_datasets(hdf5, len(weights)):
            if match := re.fullmatch(r"(layers/.+)/vars/(\d{1,6})", name):
                groups.setdefault(match[1], {})[int(match[2])] = dataset[()]
    arrays = {
        name: [group[index] for index in range(len(group))]
        for name, group in groups.items()
    }
    return ModelFile(config, arrays, False, str(metadata["keras_version"]))


def _read_legacy(file: BinaryIO, size_bytes: int) -> ModelFile:
    with h5py.File(file, "r") as hdf5:
        datasets = dict(_checked_datasets(hdf5, size_bytes))
        if "model_config" not in hdf5.attrs:
            raise ModelError("it holds weights without an architecture")
        text = hdf5.attrs["model_config"]
        if len(text) > _MAX_CONFIG_BYTES:
            raise ModelError("its architecture has a suspicious size")
        arrays = {}
        for layer in _names(hdf5["model_weights"], "layer_names"):
            group = f"model_weights/{layer}"
            names = _names(hdf5[group], "weight_names")
            arrays[layer] = [datasets[f"{group}/{name}"][()] for name in names]
        version = _text(hdf5.attrs.get("keras_version", "2"))
    return ModelFile(json.loads(text), arrays, True, version)


def _names(group: h5py.Group, attribute: str) -> list[str]:
    # Keras splits a list over attributes ending in 0, 1, ... where it exceeds 64 kB.
    parts = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(parts)}" in group.attrs and attribute not in parts:
        parts.append(f"{attribute}{len(parts)}")
    return [_text(name) for part in parts for name in group.attrs[part]]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _checked_datasets(
    hdf5: h5py.File, size_bytes: int
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields every dataset by path, and refuses what reads beyond the file."""
    remaining, seen = size_bytes, 0
    pending: list[tuple[str, h5py.Group]] = [("", hdf5)]
    while pending:
        prefix, group = pending.pop()
        for name in group:
            seen += 1
            if seen > _MAX_HDF5_OBJECTS:
                raise ModelError("it holds a suspicious number of HDF5 objects")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ModelError(f"{prefix}{name} in it is a link to elsewhere")
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append((f"{prefix}{name}/", item))
                continue
            remaining -= item.nbytes
            _check_dataset(f"{prefix}{name}", item, remaining)
            yield f"{prefix}{name}", item


def _check_dataset(name: str, dataset: h5py.Dataset, remaining: int) -> None:
    if dataset.is_virtual or dataset.external:
        raise ModelError(f"{name} in it is stored in another file")
    if dataset.id.get_storage_size() < dataset.nbytes or remaining < 0:
        raise ModelError(f"{name} in it declares more values than it stores")
    if dataset.dtype.kind not in "fiub":
        raise ModelError(f"{name} in it is not an array of numbers")
