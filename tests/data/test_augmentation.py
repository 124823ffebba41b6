import numpy as np
import pytest
import tensorflow as tf

from tfcompress.data import Augmentation
from tfcompress.errors import InvalidArgumentError

# A draw in the middle of the range: no shift, no flip, no change of brightness.
STILL = 0.5


def apply(images, noise, **options):
    noise = np.asarray(noise, np.float32)
    return Augmentation(**options)(tf.constant(images), tf.constant(noise)).numpy()


def noise_rows(
    *, across=STILL, down=STILL, flip=STILL, erase=(STILL,) * 2, light=STILL
):
    return [[across, down, flip, *erase, light]]


def test_shift_takes_every_offset_and_fills_with_zero():
    image = np.arange(1, 13, dtype=np.float32).reshape(1, 3, 4, 1)
    seen = set()
    # shift=2: draws in the five fifths of [0, 1) are offsets -2..2.
    for i, x in enumerate(range(-2, 3)):
        for j, y in enumerate(range(-2, 3)):
            draws = noise_rows(across=(i + 0.5) / 5, down=(j + 0.5) / 5)
            got = apply(image, draws, shift=2)[0, :, :, 0]
            padded = np.pad(image[0, :, :, 0], 2)
            expected = padded[2 + y : 5 + y, 2 + x : 6 + x]
            np.testing.assert_array_equal(got, expected)
            seen.add(got.tobytes())
    assert len(seen) == 25


def test_flip_mirrors_left_and_right_below_one_half():
    image = np.float32([[[[1], [2], [3]]]])
    flipped = apply(image, noise_rows(flip=0.49), horizontal_flip=True)
    kept = apply(image, noise_rows(flip=0.5), horizontal_flip=True)
    assert flipped.ravel().tolist() == [3, 2, 1]
    assert kept.ravel().tolist() == [1, 2, 3]


@pytest.mark.parametrize("size", [(28, 28), (31, 97), (224, 224), (1, 5)])
def test_moving_copies_pixels_exactly_at_any_size(size):
    generator = np.random.default_rng(0)
    image = generator.random((1, *size, 2), np.float32) + 1
    for offset in range(-3, 4):
        draw = (offset + 3.5) / 7
        rows = noise_rows(across=draw, flip=0.0)
        got = apply(image, rows, shift=3, horizontal_flip=True)
        padded = np.pad(image[:, :, ::-1], [(0, 0), (0, 0), (3, 3), (0, 0)])
        # The crop box is moved in the source and then mirrored.
        start = 3 - offset
        np.testing.assert_array_equal(got, padded[:, :, start : start + size[1]])


def test_erase_zeroes_a_square_that_may_reach_outside():
    image = np.ones((1, 6, 6, 1), np.float32)
    inside = apply(image, noise_rows(erase=(3.5 / 6, 2.5 / 6)), erase=3)[0, :, :, 0]
    expected = np.ones((6, 6))
    expected[1:4, 2:5] = 0  # centre: row 2, column 3
    np.testing.assert_array_equal(inside, expected)
    corner = apply(image, noise_rows(erase=(0.0, 0.0)), erase=3)[0, :, :, 0]
    assert corner.sum() == 36 - 4


def test_brightness_adds_one_number_an_image_and_clips():
    image = np.float32([[[[0.1], [0.5], [0.9]]]])
    brighter = apply(image, noise_rows(light=0.75), brightness=0.4)
    darker = apply(image, noise_rows(light=0.0), brightness=0.4)
    np.testing.assert_allclose(brighter.ravel(), [0.3, 0.7, 1.0], atol=1e-6)
    np.testing.assert_allclose(darker.ravel(), [0.0, 0.1, 0.5], atol=1e-6)


def test_each_image_of_a_batch_follows_its_own_row():
    images = np.float32([1, 2, 3]).reshape(1, 1, 3, 1).repeat(2, axis=0)
    rows = noise_rows(flip=0.0) + noise_rows(flip=0.9)
    got = apply(images, rows, horizontal_flip=True)
    assert got[:, 0, :, 0].tolist() == [[3, 2, 1], [1, 2, 3]]


def test_identity_is_known():
    assert Augmentation().is_identity
    assert not Augmentation(erase=1).is_identity


@pytest.mark.parametrize(
    "option",
    [
        {"shift": -1},
        {"shift": 1.5},
        {"erase": True},
        {"horizontal_flip": 1},
        {"brightness": 80},
        {"brightness": float("nan")},
        {"brightness": "a"},
    ],
)
def test_value_outside_its_range_is_refused(option):
    (name,) = option
    with pytest.raises(InvalidArgumentError, match=f"Augmentation {name}="):
        Augmentation(**option)
