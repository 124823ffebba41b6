"""Synthetic tiles: computed pictures that look a little like land from above."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SIDE = 64
NUM_TRAIN, NUM_TEST = 120, 40  # of each class
CLASS_NAMES = ("water", "forest", "field", "town", "sand", "road")
_COLOURS = {
    "water": (25, 60, 95),
    "forest": (35, 75, 40),
    "field": (130, 140, 60),
    "town": (120, 110, 105),
    "sand": (200, 180, 140),
    "road": (110, 135, 75),
}


def load_synthetic_tiles(
    seed: int = 0,
) -> tuple[
    tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]],
    tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]],
]:
    """Returns train and test, `(images, labels)` each, the same for one seed.

    They are there to try a network for colour pictures without any download: how well
    one does on them says nothing of photographs.

    Returns:
      Images uint8 `(720, 64, 64, 3)` and `(240, 64, 64, 3)`, labels as in
      `CLASS_NAMES`, 120 and 40 of each.
    """
    random = np.random.default_rng(seed)
    train, test = _tiles(NUM_TRAIN, random), _tiles(NUM_TEST, random)
    return train, test


def _tiles(
    num: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    images = [
        _coloured(_TEXTURES[name](num, random), _COLOURS[name], random)
        for name in CLASS_NAMES
    ]
    return np.concatenate(images), np.repeat(np.arange(len(CLASS_NAMES)), num)


def _coloured(
    texture: Floats, colour: tuple[int, int, int], random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Returns tiles of one colour whose brightness follows a texture around 0."""
    light = random.uniform(0.75, 1.25, (len(texture), 1, 1, 1))
    tint = random.normal(0, 12, (len(texture), 1, 1, 3))
    noise = random.normal(0, 6, (*texture.shape, 3))
    images = (np.array(colour) + tint + 45 * texture[..., None]) * light + noise
    return np.clip(images, 0, 255).astype(np.uint8)


def _clouds(num: int, grain: int, random: np.random.Generator) -> Floats:
    """Returns noise in patches of `grain` pixels, with smooth borders."""
    cells = SIDE // grain + 2
    coarse = random.normal(0, 1, (num, cells, cells))
    place = np.arange(SIDE) / grain
    low = place.astype(int)
    share = place - low
    rows = coarse[:, low] * (1 - share)[:, None] + coarse[:, low + 1] * share[:, None]
    return rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share


def _across(num: int, random: np.random.Generator) -> Floats:
    """Returns each pixel's place along a random direction, in pixels."""
    angle = random.uniform(0, np.pi, (num, 1, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return np.cos(angle) * columns + np.sin(angle) * rows


def _water(num: int, random: np.random.Generator) -> Floats:
    return 0.25 * _clouds(num, 16, random)


def _forest(num: int, random: np.random.Generator) -> Floats:
    return 0.5 * _clouds(num, 2, random) + 0.3 * _clouds(num, 8, random)


def _field(num: int, random: np.random.Generator) -> Floats:
    period = random.uniform(4, 9, (num, 1, 1))
    furrows = np.sin(2 * np.pi * _across(num, random) / period)
    return 0.4 * furrows + 0.2 * _clouds(num, 16, random)


def _town(num: int, random: np.random.Generator) -> Floats:
    blocks = random.normal(0, 1, (num, 8, 8)).repeat(8, 1).repeat(8, 2)
    is_street = (np.arange(SIDE) % 8 < 2)[:, None] | (np.arange(SIDE) % 8 < 2)[None]
    return np.where(is_street, -0.6, 0.7 * blocks)


def _sand(num: int, random: np.random.Generator) -> Floats:
    return 0.3 * _clouds(num, 8, random)


def _road(num: int, random: np.random.Generator) -> Floats:
    offset = random.uniform(-14, 14, (num, 1, 1))
    is_road = np.abs(_across(num, random) - offset) < 4
    return np.where(is_road, 1.2, 0.35 * _clouds(num, 4, random))


_TEXTURES: dict[str, Callable[[int, np.random.Generator], Floats]] = {
    "water": _water,
    "forest": _forest,
    "field": _field,
    "town": _town,
    "sand": _sand,
    "road": _road,
}
