"""Class-balanced choices: calibration samples and held-out splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tfcompress.errors import DataError
from tfcompress.field_types import check_seed

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

# What fewer images hold is chance.
_MIN_SAMPLES = 8


@dataclass(frozen=True, eq=False)
class CalibrationSample:
    """Training images on which the ranges of activations are measured.

    Attributes:
      indices: positions in the training split, ascending; for the report.
      images: float32 (num_samples, height, width, channels), not augmented.
    """

    indices: tuple[int, ...]
    images: np.ndarray


def check_enough(name: str, num_images: int, num_samples: int) -> None:
    """Raises DataError if a sample would be too small to stand for the images to come.

    Args:
      name: of the data.
      num_images: that there are.
      num_samples: that were asked for; whoever asks for few gets them.
    """
    if num_images < min(num_samples, _MIN_SAMPLES):
        raise DataError(
            f"{name}: {num_images} training images are too few for a sample of "
            f"{num_samples}, such as for calibration; add images, or set "
            f"num_images={num_images} where there is such a setting"
        )


def class_balanced_indices(
    labels: np.ndarray, num_samples: int, seed: int
) -> np.ndarray:
    """Chooses indices so that the classes' counts differ by at most one.

    A class that is too small gives all it has and the others fill up.

    Args:
      labels: class ids (num_examples,).
      num_samples: how many to choose; all if there are fewer.
      seed: of the choice.

    Returns:
      Ascending indices into `labels`, at most `num_samples`.
    """
    check_seed(seed)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    # Deal the shuffled images out in rounds, one of every class a round.
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    rounds = np.concatenate([np.arange(count) for count in counts])
    turn = generator.permutation(len(counts))[labels[by_class]]
    return np.sort(by_class[np.lexsort((turn, rounds))][:num_samples])


def with_validation_sample(data: Dataset, num_images: int, seed: int) -> Dataset:
    """Returns data whose validation split is a part of what it was, evenly of classes.

    Args:
      data: stays as it is.
      num_images: of the part; all if there are fewer.
      seed: of the choice.
    """
    chosen = class_balanced_indices(data.validation.labels, num_images, seed)
    return replace(data, validation=data.validation.take(chosen))


def held_out_indices(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Chooses the same fraction of every class, at least one image of each.

    Args:
      labels: class ids (num_examples,).
      fraction: of each class, in (0, 1).
      seed: of the choice.

    Returns:
      Ascending indices into `labels`; a class of one image gives none.
    """
    check_seed(seed)
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        count = max(1, round(fraction * len(members)))
        chosen.append(members[: min(count, len(members) - 1)])
    return np.sort(np.concatenate(chosen))
