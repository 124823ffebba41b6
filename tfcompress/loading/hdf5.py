"""Reading an HDF5 file of weights that nobody vouches for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py

from tfcompress.errors import ModelError

_MAX_OBJECTS = 200_000


def checked_datasets(
    hdf5: h5py.File, size_bytes: int
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields every dataset by path; nothing is read.

    Args:
      hdf5: the file.
      size_bytes: of the file.

    Raises:
      ModelError: something in it leads out of the file, or declares more than the
        file stores.
    """
    remaining, seen = size_bytes, 0
    groups = {h5py.h5o.get_info(hdf5.id).addr}
    pending: list[tuple[str, h5py.Group]] = [("", hdf5)]
    while pending:
        prefix, group = pending.pop()
        for name in group:
            seen += 1
            if seen > _MAX_OBJECTS:
                raise ModelError("it holds a suspicious number of HDF5 objects")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ModelError(
                    f"{prefix}{name} in it is a link to elsewhere; do not trust it"
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address in groups:
                    raise ModelError(
                        f"{prefix}{name} in it holds itself, or stands in it twice; do "
                        "not trust it"
                    )
                groups.add(address)
                pending.append((f"{prefix}{name}/", item))
                continue
            remaining -= item.nbytes
            _check(f"{prefix}{name}", item, remaining)
            yield f"{prefix}{name}", item


def _check(name: str, dataset: Any, remaining: int) -> None:
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiub":
        raise ModelError(f"{name} in it is not an array of numbers; do not trust it")
    if dataset.is_virtual or dataset.external:
        raise ModelError(f"{name} in it is stored in another file; do not trust it")
    if dataset.id.get_storage_size() < dataset.nbytes or remaining < 0:
        raise ModelError(
            f"{name} in it declares more values than it stores; do not trust it"
        )
