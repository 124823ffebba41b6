"""Data: which data set a recipe takes, by name and options."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.data import synthetic_tiles
from tfcompress.data.arrays import from_arrays, load_npz
from tfcompress.data.assembly import check_options
from tfcompress.data.augmentation import Augmentation
from tfcompress.data.dataset import Dataset
from tfcompress.data.fashion_mnist import CLASS_NAMES, SMALL_FILE, load_fashion_mnist
from tfcompress.data.folder import load_folder
from tfcompress.errors import DataError, InvalidArgumentError
from tfcompress.field_types import accepts, check_types, refusal

NAMES = (
    *("fashion_mnist_small", "fashion_mnist", "synthetic_tiles"),
    *("folder:PATH", "npz:PATH"),
)


@dataclass(frozen=True)
class Data:
    """A data set by name, with what is done to it; `load` fetches it.

    Args:
      name: `fashion_mnist_small` (5,000 + 2,000 images that come with the package),
        `fashion_mnist` (60,000 + 10,000), `synthetic_tiles` (720 + 240 computed
        colour pictures of 64x64, to try things on), `folder:PATH` (one sub-folder a
        class, or `train` and `test` with one each) or `npz:PATH` (arrays x_train,
        y_train, x_test, y_test).
      data_dir: folder with the IDX files of `fashion_mnist`, and of no other set;
        None looks in TFCOMPRESS_DATA_DIR, then in Debian's package, then downloads.
      validation_fraction: of every class of train, in (0, 1).
      seed: of the choice of validation images (and of test images of a folder that
        has no `test`). It is not the run's seed, so that runs share their splits.
      augmentation: of training images; None changes nothing.
      classes: labels to use, numbered anew from 0 in this order, such as the part of
        a set that a model is to be pretrained on; None uses all.
      num_train: training images to use, class-balanced and chosen by `seed`, after
        validation is split off; None uses all.
      num_test: likewise for test images.
      image_size: (height, width) that a folder's images are resized to; one number
        stands for both.
      channels: 1 or 3 that a folder's images are converted to.
      value_range: what black and white are to the model: (0, 255) for a network that
        rescales pixels itself, (-1, 1) for one that was trained on such.
      skip_corrupt: leave damaged images of a folder out instead of refusing them.

    Raises:
      InvalidArgumentError: a value is outside its range.

    Example:
      >>> tfc.Data("folder:flowers", image_size=(96, 96), channels=3).load()
    """

    name: str
    data_dir: str | None = None
    validation_fraction: float = 0.1
    seed: int = 0
    augmentation: Augmentation | None = None
    classes: tuple[int, ...] | None = None
    num_train: int | None = None
    num_test: int | None = None
    image_size: tuple[int, int] | None = None
    channels: int | None = None
    value_range: tuple[float, float] = (0.0, 1.0)
    skip_corrupt: bool = False

    def __post_init__(self) -> None:
        size = self.image_size
        if accepts(int, size):
            object.__setattr__(self, "image_size", (size, size))
        check_types(self)
        check_options(self.validation_fraction, self.seed, self.augmentation)
        if self.channels not in (None, 1, 3):
            raise InvalidArgumentError(
                f"channels={self.channels!r} is neither 1 (grey) nor 3 (colour)."
            )
        low, high = map(float, self.value_range)
        if not -1e6 < low < high < 1e6:
            raise InvalidArgumentError(
                f"value_range={self.value_range!r} is not (black, white); give two "
                "numbers, the smaller first, such as (0, 255)."
            )
        object.__setattr__(self, "value_range", (low, high))
        if self.image_size is not None and min(self.image_size) < 1:
            raise refusal(self, "image_size", "(height, width), 1 or more.")
        if self.data_dir is not None and self.name != "fashion_mnist":
            raise InvalidArgumentError(
                f"data_dir={self.data_dir!r} is for fashion_mnist, not for "
                f"{self.name!r}; leave it out, or name the place in folder:PATH or "
                "npz:PATH."
            )
        folder_only = (self.image_size, self.channels, self.skip_corrupt)
        if folder_only != (None, None, False) and not self.name.startswith("folder:"):
            raise InvalidArgumentError(
                "image_size, channels and skip_corrupt are for folder:PATH, not for "
                f"{self.name!r}; leave them out."
            )

    def load(self) -> Dataset:
        """Returns the data set.

        Raises:
          DataError: it is unknown, not found, damaged, or not what was declared.
        """
        options: dict[str, Any] = {
            "validation_fraction": self.validation_fraction,
            "seed": self.seed,
            "augmentation": self.augmentation,
        }
        whole = replace(self._load_all(options), value_range=self.value_range)
        if self.classes is not None:
            whole = whole.with_classes(self.classes)
        return whole.limited(self.num_train, self.num_test, self.seed)

    def _load_all(self, options: dict[str, Any]) -> Dataset:
        kind, _, path = self.name.partition(":")
        if kind == "folder" and path:
            return load_folder(
                Path(path).expanduser(),
                image_size=self.image_size,
                channels=self.channels,
                skip_corrupt=self.skip_corrupt,
                **options,
            )
        if kind == "npz" and path:
            return load_npz(Path(path).expanduser(), **options)
        class_names: tuple[str, ...] = CLASS_NAMES
        if self.name == "fashion_mnist":
            train, test = load_fashion_mnist(self.data_dir)
        elif self.name == "fashion_mnist_small":
            with np.load(SMALL_FILE, allow_pickle=False) as arrays:
                train, test = (
                    (arrays[f"x_{part}"], arrays[f"y_{part}"])
                    for part in ("train", "test")
                )
        elif self.name == "synthetic_tiles":
            train, test = synthetic_tiles.load_synthetic_tiles()
            class_names = synthetic_tiles.CLASS_NAMES
        else:
            raise _unknown(self.name)
        return from_arrays(
            train, test, name=self.name, class_names=class_names, **options
        )


def load(name: str, **options: Any) -> Dataset:
    """Loads a data set by name: `Data(name, **options).load()`.

    Args:
      name: see `Data`.
      **options: the other fields of `Data`.

    Raises:
      DataError: it is unknown, not found, damaged, or not what was declared.
      InvalidArgumentError: an option is outside its range.

    Example:
      >>> data = tfc.data.load("fashion_mnist_small")
      >>> data.summary()["num_train"]
      4500
    """
    return Data(name, **options).load()


def _unknown(name: str) -> DataError:
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return DataError(
        f"There is no data set {name!r}; there are {', '.join(NAMES)}{hint}"
    )
