"""Fashion-MNIST: the embedded part, and the full set from three places.

References:
  Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
  Machine Learning Algorithms", arXiv 1708.07747.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
import zlib
from pathlib import Path

import numpy as np
import tf_keras as keras

from tfcompress.errors import DataError

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
SMALL_FILE = Path(__file__).with_name("fashion_mnist_small.npz")
DATA_DIR_VARIABLE = "TFCOMPRESS_DATA_DIR"

_IDX_PARTS = ("train", "t10k")

Arrays = tuple[np.ndarray, np.ndarray]


def load_fashion_mnist(data_dir: str | Path | None = None) -> tuple[Arrays, Arrays]:
    """Returns ((x_train, y_train), (x_test, y_test)): 60,000 and 10,000 images.

    Args:
      data_dir: folder with the four IDX files, gzipped or not, or with `fashion-mnist`
        that holds them; nowhere else is looked then. None looks likewise in the
        folder that TFCOMPRESS_DATA_DIR names, then where Debian's package puts the
        set, then downloads.

    Raises:
      DataError: the set is in none of these places, or a file is damaged.
    """
    if data_dir is not None:
        folder = _idx_folder(data_dir)
        if folder is None:
            raise DataError(
                f"{data_dir}: no IDX files of Fashion-MNIST there or in its "
                "fashion-mnist; looked for train-images-idx3-ubyte and "
                "t10k-images-idx3-ubyte, plain or .gz. Give the folder that holds "
                "them, or leave data_dir out to look elsewhere."
            )
        return read_idx_folder(folder)
    chosen = os.environ.get(DATA_DIR_VARIABLE)
    folder = (_idx_folder(chosen) if chosen else None) or _idx_folder(DEBIAN_FOLDER)
    if folder is not None:
        return read_idx_folder(folder)
    try:
        # Keras reports the download on stdout, which belongs to results.
        with contextlib.redirect_stdout(sys.stderr):
            train, test = keras.datasets.fashion_mnist.load_data()
        return train, test
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"Fashion-MNIST was not found: no IDX files in "
            f"{chosen or f'{DATA_DIR_VARIABLE} (which is not set)'}, none "
            f"in {DEBIAN_FOLDER}, and the download failed ({reason}). Give the folder "
            f"of the four IDX files with --data_dir or {DATA_DIR_VARIABLE}, or install "
            "Debian's package dataset-fashion-mnist, or connect to the network; "
            "'fashion_mnist_small' needs none of them."
        ) from None


def read_idx_folder(folder: Path) -> tuple[Arrays, Arrays]:
    """Reads the four IDX files of MNIST's format.

    Args:
      folder: holds train-images-idx3-ubyte, train-labels-idx1-ubyte and t10k-...,
        each with or without `.gz`.

    Returns:
      Train and test images uint8 (num, height, width) and labels uint8 (num,).

    Raises:
      DataError: a file is missing or damaged; the message names it.
    """
    train, test = (
        (_read_idx(folder, part, "images-idx3"), _read_idx(folder, part, "labels-idx1"))
        for part in _IDX_PARTS
    )
    return train, test


def _idx_folder(place: str | Path) -> Path | None:
    """Returns `place`, or its `fashion-mnist`, if the images are there."""
    for folder in (
        Path(place).expanduser(),
        Path(place).expanduser() / "fashion-mnist",
    ):
        if all(_idx_file(folder, part, "images-idx3") for part in _IDX_PARTS):
            return folder
    return None


def _idx_file(folder: Path, part: str, kind: str) -> Path | None:
    plain = folder / f"{part}-{kind}-ubyte"
    packed = plain.with_name(f"{plain.name}.gz")
    return next((path for path in (packed, plain) if path.is_file()), None)


def _read_idx(folder: Path, part: str, kind: str) -> np.ndarray:
    """Reads one IDX file: 00 00 08 rank, big-endian sizes, bytes."""
    path = _idx_file(folder, part, kind)
    if path is None:
        raise DataError(
            f"{folder}: {part}-{kind}-ubyte.gz is missing; the folder needs all four "
            "IDX files of Fashion-MNIST."
        )
    rank = int(kind[-1])
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        sizes = np.frombuffer(content, ">i4", rank + 1)
        if sizes[0] != 0x0800 + rank:
            raise ValueError("not an IDX file of bytes")
        return np.frombuffer(content, np.uint8, -1, 4 * (rank + 1)).reshape(sizes[1:])
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"{path}: damaged IDX file ({error}); fetch it again."
        ) from None
