"""Assembly: checked splits become a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfcompress.data.augmentation import Augmentation
from tfcompress.data.dataset import Dataset
from tfcompress.data.split import Split
from tfcompress.errors import DataError, InvalidArgumentError


def assemble(
    name: str,
    splits: dict[str, Split],
    class_names: Sequence[str] | None = None,
    *,
    validation_fraction: float = 0.1,
    seed: int = 0,
    augmentation: Augmentation | None = None,
) -> Dataset:
    """Makes a data set of train, test and perhaps validation.

    Args:
      name: of the data set, for the report and for messages.
      splits: "train", "test" and perhaps "validation".
      class_names: one name a class; None names them by number.
      validation_fraction: of every class of train, where validation is not given.
      seed: of the choice of the validation images.
      augmentation: of training images; None changes nothing.

    Raises:
      DataError: shapes or types differ, labels are out of range, a class is empty.
      InvalidArgumentError: an option is out of range.
    """
    check_options(validation_fraction, seed, augmentation)
    shape = _common_shape(name, splits)
    num_classes = _num_classes(name, splits, class_names)
    splits = dict(splits)
    if "validation" not in splits:
        splits["train"], splits["validation"] = splits["train"].divide(
            validation_fraction, seed
        )
    for key, split in splits.items():
        if not len(split):
            raise DataError(
                f"{name}: no image is left for {key}, as no class has enough of them; "
                f"give {key} images, or more images a class."
            )
    augmentation = augmentation or Augmentation()
    _check_brightness(name, splits["train"], augmentation)
    names = class_names or [str(label) for label in range(num_classes)]
    return Dataset(
        name=name,
        input_shape=shape,
        num_classes=num_classes,
        class_names=tuple(names),
        augmentation=augmentation,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
    )


def check_options(
    validation_fraction: float, seed: int, augmentation: Augmentation | None
) -> None:
    """Raises InvalidArgumentError for an option that no data set can take."""
    if not 0 < validation_fraction < 1:
        raise InvalidArgumentError(
            f"validation_fraction={validation_fraction!r} is outside (0, 1); give a "
            "fraction of the training images, such as 0.1."
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidArgumentError(f"seed={seed!r} is not a whole number from 0.")
    if not isinstance(augmentation, Augmentation | None):
        raise InvalidArgumentError(
            f"augmentation={augmentation!r} is not an Augmentation; give one, such as "
            "Augmentation(shift=2, horizontal_flip=True)."
        )


def _common_shape(name: str, splits: dict[str, Split]) -> tuple[int, int, int]:
    forms = {
        key: (split.images.shape[-3:], str(split.images.dtype))
        for key, split in splits.items()
    }
    for key, form in forms.items():
        if form != forms["train"]:
            raise DataError(
                f"{name}: {key} images are {form[1]} of shape {form[0]} but train "
                f"images are {forms['train'][1]} of shape {forms['train'][0]}; bring "
                "them to one shape and type."
            )
    return forms["train"][0]


def _num_classes(
    name: str, splits: dict[str, Split], class_names: Sequence[str] | None
) -> int:
    """Checks labels against the classes named, or else those of train."""
    present = np.unique(splits["train"].labels)
    count = len(class_names) if class_names else int(present[-1]) + 1
    _check_range(name, "train", splits["train"].labels, count)
    if count < 2:
        raise DataError(
            f"{name}: there is only one class; a classifier needs at least two."
        )
    if len(present) < count:
        empty = int(np.setdiff1d(np.arange(min(count, len(present) + 1)), present)[0])
        label = f"{empty} ({class_names[empty]})" if class_names else f"{empty}"
        raise DataError(
            f"{name}: class {label} has no training image, though labels run to "
            f"{count - 1}; add some, or number the classes without gaps."
        )
    for key in splits.keys() - {"train"}:
        _check_range(name, key, splits[key].labels, count)
    return count


def _check_range(name: str, key: str, labels: np.ndarray, count: int) -> None:
    wrong = (labels < 0) | (labels >= count)
    if wrong.any():
        index = int(wrong.argmax())
        raise DataError(
            f"{name}: {key} label {labels[index]} at index {index} is out of range; "
            f"the {count} classes of train are 0..{count - 1}."
        )


def _check_brightness(name: str, train: Split, augmentation: Augmentation) -> None:
    images = train.images
    if not augmentation.brightness or not isinstance(images, np.ndarray):
        return
    if images.dtype == np.uint8:
        return
    low, high = images.min(), images.max()
    if low < 0 or high > 1:
        raise DataError(
            f"{name}: brightness needs pixels in [0, 1], but they are in [{low:.3g}, "
            f"{high:.3g}]; give uint8 images, scale them, or leave brightness off."
        )
