"""Perturbations: which changes of images there are to try, and images so changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfcompress.errors import DataError, InvalidArgumentError
from tfcompress.field_types import check_types, refusal
from tfcompress.quality.calibration_error import are_probabilities
from tfcompress.quality.inference import answers, batch_size_for
from tfcompress.quality.robustness.adversarial import ATTACKS, Loss, loss_of
from tfcompress.quality.robustness.corruptions import CORRUPTIONS, NUM_DRAWS
from tfcompress.quality.robustness.formulas import FORMULAS
from tfcompress.run import derive_seed

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

STRENGTHS = (1, 2, 3, 4, 5)
_OUTSIDE = 1e-3

Images = npt.NDArray[np.float32]
_Change = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


class Condition(NamedTuple):
    """A perturbation at a strength, and what its formula takes there."""

    perturbation: str
    strength: int
    amount: float
    is_attack: bool


class Sample(NamedTuple):
    """A batch of images under a condition, by its number; 0 leaves them unchanged."""

    condition: int
    images: Images
    labels: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Perturbations:
    """Which changes of images a model is tried on.

    Args:
      corruptions: of `brightness`, `contrast`, `rotation`, `translation`, `occlusion`,
        `gaussian_noise`, `blur`, `jpeg`; report.html, and `formulas.py` beside
        this file, have their formulas and what they take at each strength.
      attacks: of `fgsm`, `pgd`, which follow the gradient of a Keras model; epsilon is
        1, 2, 4, 8 and 16 of 255. None takes both where a Keras model is given. `pgd`
        takes ten gradients an image and strength, most of the time of all.
      strengths: 1 (slight) to 5 (severe).
      num_images: of the test split, class-balanced; None takes all.
      seed: of their choice, and of all that is random in a perturbation.

    Raises:
      InvalidArgumentError: a value is outside its range.

    Example:
      >>> tfc.Perturbations(corruptions=("blur", "jpeg"), attacks=(), num_images=500)
    """

    corruptions: tuple[str, ...] = tuple(CORRUPTIONS)
    attacks: tuple[str, ...] | None = None
    strengths: tuple[int, ...] = STRENGTHS
    num_images: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        _check_names("corruption", self.corruptions, CORRUPTIONS)
        _check_names("attack", self.attacks or (), ATTACKS)
        if not self.strengths or not set(self.strengths) <= set(STRENGTHS):
            raise refusal(self, "strengths", "one or more of 1 (slight) to 5 (severe)")
        if len(set(self.strengths)) < len(self.strengths):
            raise refusal(self, "strengths", "different from each other")
        if self.num_images is not None and self.num_images < 1:
            raise refusal(self, "num_images", "1 or more, or None for all")
        if self.seed < 0:
            raise refusal(self, "seed", "a whole number from 0")

    @property
    def conditions(self) -> list[Condition]:
        """Every perturbation at every strength; attacks only where they are named."""
        return [
            Condition(
                *(name, strength, FORMULAS[name].amounts[strength - 1]), name in ATTACKS
            )
            for name in (*self.corruptions, *(self.attacks or ()))
            for strength in sorted(self.strengths)
        ]


def perturbed_batches(
    data: Dataset, conditions: Sequence[Condition], attacked: Any, seed: int
) -> Iterator[Sample]:
    """Yields the test images, a batch at a time, unchanged and under each condition.

    What happens to an image depends on seed, perturbation and its place in the split
    alone, so that only the strength differs between conditions of one perturbation.

    Args:
      data: whose test split it is.
      conditions: numbered from 1.
      attacked: a live Keras model whose gradient attacks follow; None without attacks.
      seed: of all that is random.

    Raises:
      DataError: the images do not suit a corruption.
    """
    low, high = data.value_range
    names = dict.fromkeys(condition.perturbation for condition in conditions)
    changes = {name: _change(name, attacked, data) for name in names}
    draws = {name: _draws(name, len(data.test), seed) for name in names}
    start = 0
    for images, labels in _test_batches(data):
        yield Sample(0, images, labels)
        pixels = (images - low) / (high - low)
        _check_pixels(pixels, images, data)
        for number, (name, _, amount, _) in enumerate(conditions, 1):
            own = draws[name][start : start + len(images)]
            given = (pixels, labels, np.float32(amount), own)
            changed = changes[name](*map(tf.constant, given))
            yield Sample(number, low + changed.numpy() * (high - low), labels)
        start += len(images)


def _test_batches(data: Dataset) -> Iterator[tuple[Images, npt.NDArray[np.int32]]]:
    batches = data.batches("test", batch_size_for(data.input_shape))
    return iter(batches.as_numpy_iterator())


def _loss(attacked: Any, data: Dataset) -> Loss:
    images, _ = next(_test_batches(data))
    (outputs,) = answers(attacked, [images], len(images))
    return loss_of(attacked, data.value_range, not are_probabilities(outputs))


def _draws(name: str, num_images: int, seed: int) -> npt.NDArray[np.float32]:
    random = np.random.default_rng(derive_seed(seed, name))
    return random.random((num_images, NUM_DRAWS), np.float32)


def _change(name: str, attacked: Any, data: Dataset) -> _Change:
    """Returns a perturbation as a graph for batches of any size and any strength."""
    attack = partial(ATTACKS[name], _loss(attacked, data)) if name in ATTACKS else None
    signature = [
        tf.TensorSpec((None, *data.input_shape), tf.float32),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([None, NUM_DRAWS], tf.float32),
    ]

    @tf.function(input_signature=signature)
    def change(
        pixels: tf.Tensor, labels: tf.Tensor, amount: tf.Tensor, draws: tf.Tensor
    ) -> tf.Tensor:
        if attack is None:
            return CORRUPTIONS[name](pixels, amount, draws)
        return attack(pixels, labels, amount, draws)

    # Called as it is, TensorFlow would take the next perturbation for a retracing.
    return change.get_concrete_function()


def _check_names(what: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
            )
            raise InvalidArgumentError(f"there is no {what} {name!r}: {hint}")
        if names.count(name) > 1:
            raise InvalidArgumentError(
                f"the {what} {name!r} is named twice; once will do"
            )


def _check_pixels(pixels: Images, images: Images, data: Dataset) -> None:
    if pixels.min() < -_OUTSIDE or pixels.max() > 1 + _OUTSIDE:
        raise DataError(
            f"{data.name}: images reach from {images.min():.3g} to {images.max():.3g} "
            f"but value_range says black and white are {data.value_range}; give theirs "
            "by dataclasses.replace(data, value_range=(black, white))"
        )
