"""What a Keras model file holds: an architecture as JSON and arrays, nothing else.

Model files come from strangers. What is checked before a byte of weights is read, and
the holes it closes (CVE numbers are those of Keras):

- links out of an HDF5 file, external storage, virtual sets: CVE-2026-1669
- arrays that declare more than is stored: CVE-2026-0897
- archives that unpack to far more than their size, name a member twice, or name
  one that lies elsewhere: CVE-2025-12060
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from tfcompress.errors import ModelError
from tfcompress.loading.file_kind import kind_of
from tfcompress.loading.hdf5 import checked_datasets

MAX_CONFIG_BYTES = 64 * 2**20
# Python takes some 60 bytes for a value that takes 3 in the file.
_MAX_CONFIG_VALUES = 3_000_000
_MAX_ZIP_RATIO = 100
_MAX_MEMBERS = 1_000
_DAMAGED = "is cut short or damaged; copy or save it again"


@dataclass(frozen=True)
class ModelFile:
    """The content of a Keras model file; one of the last three holds the weights.

    Args:
      config: the architecture, as its JSON says; not checked yet.
      keras_version: version of the Keras that wrote the file, such as `3.15.1`.
      by_path: weights by path, such as `layers/conv2d_1`.
      by_name: weights by name of the outermost layer, in a legacy file.
      by_index: weights by path of a SavedModel.
    """

    config: dict[str, Any]
    keras_version: str
    by_path: dict[str, list[np.ndarray]] | None = None
    by_name: dict[str, list[np.ndarray]] | None = None
    by_index: dict[tuple[str, ...], np.ndarray] | None = None

    @property
    def keras_3(self) -> bool:
        """Whether Keras 3 wrote it."""
        return self.keras_version.startswith("3")

    @property
    def num_values(self) -> int:
        """Number of values that are stored, all in all."""
        groups = [*(self.by_path or {}).values(), *(self.by_name or {}).values()]
        arrays = [array for group in groups for array in group]
        return sum(int(a.size) for a in [*arrays, *(self.by_index or {}).values()])


def read_model_file(path: Path, max_bytes: int) -> ModelFile:
    """Reads a `.keras` archive or a legacy `.h5` file; its first bytes tell which.

    Args:
      path: of the file; its ending does not matter.
      max_bytes: that the weights in it may take.

    Raises:
      ModelError: it is neither, it is damaged, or it asks for what a model file has
        no need of.
    """
    read = _read_archive if kind_of(path) == "archive" else _read_legacy
    with path.open("rb") as file:
        return read(file, path.stat().st_size, max_bytes)


def parse_config(text: str | bytes) -> Any:
    """Returns the architecture that a JSON text holds.

    Raises:
      ModelError: it is too long, nested without end, or no JSON.
    """
    if isinstance(text, str):
        text = text.encode()
    num_values = sum(text.count(mark) for mark in (b",", b"[", b"{"))
    if len(text) > MAX_CONFIG_BYTES or num_values > _MAX_CONFIG_VALUES:
        raise ModelError("its architecture has a suspicious size; do not trust it")
    try:
        return json.loads(text)
    except RecursionError:
        raise ModelError(
            "its architecture is nested too deep; do not trust it"
        ) from None
    except ValueError:
        raise ModelError(f"its architecture {_DAMAGED}") from None


def _read_archive(file: BinaryIO, size_bytes: int, max_bytes: int) -> ModelFile:
    try:
        with zipfile.ZipFile(file) as archive:
            members = _checked_members(archive, size_bytes, max_bytes)
            content = {name: archive.read(name) for name in members}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ModelError(f"its archive {_DAMAGED}") from error
    config = parse_config(content["config.json"])
    metadata = parse_config(content["metadata.json"])
    version = metadata.get("keras_version") if isinstance(metadata, dict) else ""
    weights = content["model.weights.h5"]
    groups: dict[str, dict[int, np.ndarray]] = {}
    with _open_hdf5(io.BytesIO(weights)) as hdf5:
        for name, dataset in checked_datasets(hdf5, len(weights)):
            if match := re.fullmatch(r"(layers/.+)/vars/(\d{1,6})", name):
                groups.setdefault(match[1], {})[int(match[2])] = dataset[()]
    arrays = {
        name: [group[index] for index in sorted(group)]
        for name, group in groups.items()
    }
    return ModelFile(config, str(version), by_path=arrays)


def _checked_members(
    archive: zipfile.ZipFile, size_bytes: int, max_bytes: int
) -> list[str]:
    """Returns the members that hold the model; nothing is unpacked."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(names) > _MAX_MEMBERS or len(set(names)) != len(names):
        raise ModelError(
            "its archive has too many members, or two of one name; do not trust it"
        )
    for name in names:
        parts = re.split(r"[\\/]", name)
        if ".." in parts or not parts[0] or ":" in parts[0]:
            raise ModelError("a member of its archive leads elsewhere; do not trust it")
    if any(info.flag_bits & 1 for info in infos):
        raise ModelError("its archive is encrypted; save the model without a password")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > _MAX_ZIP_RATIO * size_bytes + 2**20:
        raise ModelError("its archive unpacks to a suspicious size; do not trust it")
    if unpacked > max_bytes:
        raise _too_large(unpacked, max_bytes)
    wanted = ["config.json", "metadata.json", "model.weights.h5"]
    if missing := [name for name in wanted if name not in names]:
        raise ModelError(f"its archive holds {_content(names, missing[0])}")
    return wanted


def _content(names: list[str], missing: str) -> str:
    if missing == "config.json" and "model.weights.h5" in names:
        return "weights without an architecture; save the whole model: model.save(path)"
    if missing == "model.weights.h5":
        return "an architecture without weights; save the whole model: model.save(path)"
    if any(name.endswith(".npy") for name in names):
        return "NumPy arrays; expected a .keras file"
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch model; expected a .keras file"
    return f"no {missing}; expected a .keras file"


def _too_large(num_bytes: int, max_bytes: int) -> ModelError:
    return ModelError(
        f"it unpacks to {num_bytes / 2**30:.3g} GiB, more than "
        f"{max_bytes / 2**30:.3g} GiB; where that is meant, raise max_bytes= (on the "
        "command line --max_model_bytes)"
    )


def _open_hdf5(file: BinaryIO) -> h5py.File:
    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise ModelError(f"its weights are no HDF5 file, or it {_DAMAGED}") from error


def _read_legacy(file: BinaryIO, size_bytes: int, max_bytes: int) -> ModelFile:
    with _open_hdf5(file) as hdf5:
        if size_bytes > max_bytes:
            raise _too_large(size_bytes, max_bytes)
        datasets = dict(checked_datasets(hdf5, size_bytes))
        if "model_config" not in hdf5.attrs:
            raise ModelError(
                "it holds weights without an architecture; save the whole model: "
                "model.save(path)"
            )
        if "model_weights" not in hdf5:
            raise ModelError(
                "it holds an architecture without weights; save the whole model: "
                "model.save(path)"
            )
        text = hdf5.attrs["model_config"]
        arrays = {}
        for layer in _names(hdf5["model_weights"], "layer_names"):
            group = f"model_weights/{layer}"
            names = _names(hdf5[group], "weight_names")
            arrays[layer] = [datasets[f"{group}/{name}"][()] for name in names]
        version = _text(hdf5.attrs.get("keras_version", "2"))
    return ModelFile(parse_config(text), version, by_name=arrays)


def _names(group: h5py.Group, attribute: str) -> list[str]:
    # Keras splits a list over attributes ending in 0, 1, ... where it exceeds 64 kB.
    parts = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(parts)}" in group.attrs and attribute not in parts:
        parts.append(f"{attribute}{len(parts)}")
    return [_text(name) for part in parts for name in group.attrs[part]]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
