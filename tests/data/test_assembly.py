import numpy as np
import pytest

from tfcompress.data import Augmentation
from tfcompress.data.assembly import assemble
from tfcompress.data.split import Split
from tfcompress.errors import DataError, InvalidArgumentError


def splits(images=None, labels=(0, 1) * 6, **others):
    if images is None:
        images = np.zeros((len(labels), 4, 4, 1), np.float32)
    pair = Split(images, np.array(labels))
    return {"train": pair, "test": pair} | others


def test_class_without_training_image_is_named():
    with pytest.raises(DataError, match=r"class 2 \(shoe\) has no training image"):
        assemble("set", splits(), class_names=("hat", "coat", "shoe"))


def test_too_few_images_for_a_validation_split():
    with pytest.raises(DataError, match="no image is left for validation"):
        assemble("set", splits(labels=(0, 1)))


def test_brightness_needs_pixels_between_0_and_1():
    images = np.full((12, 4, 4, 1), -1, np.float32)
    with pytest.raises(DataError, match=r"\[-1, -1\]"):
        assemble("set", splits(images), augmentation=Augmentation(brightness=0.1))
    data = assemble("set", splits(images), augmentation=Augmentation(shift=1))
    assert data.augmentation == Augmentation(shift=1)


def test_input_is_left_as_it_was():
    given = splits()
    assemble("set", given)
    assert set(given) == {"train", "test"}
    assert len(given["train"]) == 12


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"validation_fraction": 0.0}, "validation_fraction=0.0"),
        ({"validation_fraction": 10}, "validation_fraction=10"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"augmentation": {"shift": 2}}, "is not an Augmentation"),
    ],
)
def test_option_outside_its_range_is_refused(option, message):
    with pytest.raises(InvalidArgumentError, match=message):
        assemble("set", splits(), **option)
