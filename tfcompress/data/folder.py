"""Data sets from folders of pictures: one sub-folder a class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.data.assembly import assemble
from tfcompress.data.dataset import Dataset
from tfcompress.data.image_files import SUFFIXES, ImageFiles, Shape, check_images
from tfcompress.data.split import Split
from tfcompress.errors import DataError

TEST_FRACTION = 0.2


def load_folder(
    path: Path,
    *,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    skip_corrupt: bool = False,
    **options: Any,
) -> Dataset:
    """Loads a folder of pictures, decoded when they are read.

    With sub-folders `train` and `test` (and perhaps `validation`), each holds one
    sub-folder a class. Otherwise `path` itself does, and a fifth of every class,
    chosen by the seed, is the test split. Every picture is decoded once here, so that
    a damaged one is found now and not in the middle of training.

    Args:
      path: the folder.
      image_size: (height, width) to resize to; None if all have one size.
      channels: 1 or 3 to convert to; None if all are grey or all are in colour.
      skip_corrupt: leave damaged and too large pictures out, and say so in
        `Dataset.skipped`, instead of refusing them.
      **options: `validation_fraction`, `seed`, `augmentation`, as for `load`.

    Raises:
      DataError: a folder is missing or empty, a picture is damaged or too large, or
        shapes are mixed; the message names it.
    """
    folders = {"train": path}
    if (path / "train").is_dir() and (path / "test").is_dir():
        parts = ("train", "test", "validation")
        folders = {part: path / part for part in parts if (path / part).is_dir()}
    class_names = _class_names(folders)
    pictures = {part: _pictures(at, class_names) for part, at in folders.items()}
    shapes, skipped = _check(pictures, skip_corrupt)
    shape = _common_shape(shapes, image_size, channels)
    splits = {}
    for part, labelled in pictures.items():
        good = [(file, label) for file, label in labelled if file in shapes]
        files = tuple(file for file, _ in good)
        labels = np.array([label for _, label in good], np.int64)
        splits[part] = Split(ImageFiles(files, shape), labels)
    if "test" not in splits:
        whole = splits["train"]
        splits["train"], splits["test"] = whole.divide(
            TEST_FRACTION, options.get("seed", 0)
        )
    data = assemble(f"folder:{path}", splits, class_names, **options)
    return replace(data, skipped=skipped)


def _class_names(folders: dict[str, Path]) -> list[str]:
    """Returns the names of the class sub-folders, which all parts must share."""
    found = {}
    for part, folder in folders.items():
        if not folder.is_dir():
            raise DataError(
                f"{folder}: there is no such folder; give folder: and the path of one "
                "with one sub-folder a class."
            )
        found[part] = sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        )
        if not found[part]:
            raise DataError(
                f"{folder}: it has no sub-folder; put the images into one sub-folder a "
                "class."
            )
        different = sorted(set(found[part]) ^ set(found["train"]))
        if different:
            raise DataError(
                f"{folder}: its class folders are not those of train; {different[0]!r} "
                "is in one of them only."
            )
    return found["train"]


def _pictures(folder: Path, class_names: list[str]) -> list[tuple[Path, int]]:
    """Lists image files and labels, sorted, and refuses an empty class."""
    pictures = []
    for label, class_name in enumerate(class_names):
        files = sorted(
            file
            for file in (folder / class_name).iterdir()
            if file.suffix.lower() in SUFFIXES and file.is_file()
        )
        if not files:
            raise DataError(
                f"{folder / class_name}: the class folder is empty; put images "
                f"({', '.join(SUFFIXES)}) into it, or remove it."
            )
        pictures += [(file, label) for file in files]
    return pictures


def _check(
    pictures: dict[str, list[tuple[Path, int]]], skip_corrupt: bool
) -> tuple[dict[Path, Shape], tuple[str, ...]]:
    """Returns the shapes of the good pictures, and the names of the bad ones."""
    files = [file for labelled in pictures.values() for file, _ in labelled]
    shapes: dict[Path, Shape] = {}
    skipped = []
    for file, result in zip(files, check_images(files), strict=True):
        if not isinstance(result, DataError):
            shapes[file] = result
        elif skip_corrupt:
            skipped.append(str(file))
        else:
            raise result
    if not shapes:
        raise DataError(
            f"{files[0].parent.parent}: none of its {len(files)} images can be read; "
            "replace them."
        )
    return shapes, tuple(skipped)


def _common_shape(
    shapes: dict[Path, Shape], image_size: tuple[int, int] | None, channels: int | None
) -> Shape:
    """Returns the one shape of all pictures, as far as the options do not set it."""
    (first, (height, width, depth)), *others = shapes.items()
    for file, other in others:
        if image_size is None and other[:2] != (height, width):
            raise DataError(
                f"{file}: this image is {other[0]}x{other[1]} (height x width) but "
                f"{first} is {height}x{width}; set image_size=(height, width)."
            )
        if channels is None and other[2] != depth:
            kinds = {1: "grey", 3: "in colour"}
            raise DataError(
                f"{file}: this image is {kinds[other[2]]} but {first} is "
                f"{kinds[depth]}; set channels=1 or channels=3."
            )
    return (*(image_size or (height, width)), channels or depth)
