"""Data sets from arrays in memory and from npz files."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.data.assembly import assemble
from tfcompress.data.dataset import Dataset
from tfcompress.data.split import Split
from tfcompress.errors import DataError
from tfcompress.field_types import describe_value

Arrays = tuple[Any, Any]
NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")


def from_arrays(
    train: Arrays,
    test: Arrays,
    validation: Arrays | None = None,
    *,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
    **options: Any,
) -> Dataset:
    """Makes a data set of images and class ids in memory.

    Args:
      train: images (num, height, width, channels) or (num, height, width), uint8 in
        0..255 (scaled to [0, 1] when read) or float (taken as they are), and class
        ids, integers (num,).
      test: the same for the images that accuracy is measured on.
      validation: the same; None splits it off train, class by class.
      name: what the report calls the data set.
      class_names: one name a class; None names them by number.
      **options: `validation_fraction`, `seed`, `augmentation`, as for `load`.

    Raises:
      DataError: images or labels are not of this form; the message says which.

    Example:
      >>> data = tfc.data.from_arrays(train=(x_train, y_train), test=(x_test, y_test))
    """
    given = {"train": train, "test": test}
    if validation is not None:
        given["validation"] = validation
    splits = {key: _split(f"{name}: {key}", *pair) for key, pair in given.items()}
    return assemble(name, splits, class_names, **options)


def load_npz(path: Path, **options: Any) -> Dataset:
    """Loads x_train, y_train, x_test, y_test (and x_/y_validation) from an npz file.

    Args:
      path: the file; pickled (object) arrays are refused, for they run code.
      **options: as for `from_arrays`.

    Raises:
      DataError: the file is missing, damaged, or lacks an array.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(member.file_size for member in archive.infolist())
        if declared > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
            raise MemoryError(f"it unpacks to {declared} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            missing = sorted(set(NPZ_KEYS) - set(arrays.files))
            if missing:
                raise DataError(
                    f"{path}: no array named {', '.join(missing)}; it needs "
                    f"{', '.join(NPZ_KEYS)}, and may have x_validation, y_validation."
                )
            pairs = {
                key: (arrays[f"x_{key}"], arrays[f"y_{key}"])
                for key in ("train", "test", "validation")
                if f"x_{key}" in arrays.files and f"y_{key}" in arrays.files
            }
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such file; give npz: and the path of one."
        ) from None
    except MemoryError as error:
        raise DataError(
            f"{path}: it does not fit into memory ({error}); save the images as files "
            "and load them with folder:."
        ) from None
    except DataError:
        raise
    # A damaged zip file or array header fails in a dozen ways (NotImplementedError
    # and SyntaxError among them), and none may end a run with a traceback.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path}: not a readable npz file of numeric arrays ({reason}); save them "
            "with numpy.savez_compressed."
        ) from None
    return from_arrays(name=f"npz:{path}", **pairs, **options)


def _split(where: str, images: Any, labels: Any) -> Split:
    """Checks and converts one pair of images and labels."""
    images = _array(f"{where} images", images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape:
        raise DataError(
            f"{where} images have shape {images.shape}; expected (num, height, width, "
            "channels) or (num, height, width), none of them 0."
        )
    if images.dtype.kind == "f":
        images = images.astype(np.float32, copy=False)
        broken = ~np.isfinite(images).all(axis=(1, 2, 3))
        if broken.any():
            raise DataError(
                f"{where} images have NaN or infinite pixels in {broken.sum()} of "
                f"{len(images)} (the first at index {broken.argmax()}); mend or remove "
                "them."
            )
    elif images.dtype != np.uint8:
        raise DataError(
            f"{where} images are {images.dtype}; expected uint8 in 0..255 or float: "
            "convert them with x.astype('uint8') or scale them to [0, 1]."
        )
    return Split(images, _labels(where, labels, len(images)))


def _labels(where: str, values: Any, num_images: int) -> np.ndarray:
    labels = _array(f"{where} labels", values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{where} labels are {labels.dtype} of shape {labels.shape}; expected one "
            "integer class id an image (one-hot rows: use y.argmax(axis=1))."
        )
    if len(labels) != num_images:
        raise DataError(
            f"{where} has {num_images} images but {len(labels)} labels; give one label "
            "an image."
        )
    return labels.astype(np.int64)


def _array(where: str, values: Any) -> np.ndarray:
    """Makes an array; a list of unequal shapes is what usually fails here."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, object)
    if array.ndim == 0:
        raise DataError(f"{where} are {describe_value(values)}; expected an array.")
    if array.dtype == object:
        shapes = sorted({np.shape(value) for value in values}, key=str)
        raise DataError(
            f"{where} are of mixed shapes or types (shapes {str(shapes[:3])[1:-1]}, "
            "...); resize them to one shape, or save them as files and load them with "
            "folder: and image_size."
        )
    return array
