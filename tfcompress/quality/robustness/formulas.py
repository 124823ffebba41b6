"""What each perturbation does to pixels in [0, 1], for people, and how much of it.

No TensorFlow is needed here: pages of runs are made without it.

References:
  Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions
  and Perturbations, arXiv:1903.12261, section 3; the amounts of brightness, contrast,
  Gaussian noise and JPEG are those of its ImageNet-C.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_EPSILONS = (1 / 255, 2 / 255, 4 / 255, 8 / 255, 16 / 255)


class Formula(NamedTuple):
    """A perturbation in words.

    Args:
      text: what becomes of an image x; a is the amount.
      amounts: at the strengths 1 to 5.
    """

    text: str
    amounts: tuple[float, float, float, float, float]


FORMULAS: Mapping[str, Formula] = {
    "brightness": Formula("clip(x + a, 0, 1)", (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": Formula(
        "clip(mean + a (x - mean), 0, 1), mean by image and channel",
        (0.4, 0.3, 0.2, 0.1, 0.05),
    ),
    "rotation": Formula(
        "turned about the centre by a degrees, left or right", (6, 12, 18, 24, 30)
    ),
    "translation": Formula(
        "moved by a times the shorter side, in any direction",
        (0.04, 0.08, 0.12, 0.16, 0.2),
    ),
    "occlusion": Formula(
        "a grey (0.5) square of a times the shorter side, anywhere",
        (0.2, 0.3, 0.4, 0.5, 0.6),
    ),
    "gaussian_noise": Formula(
        "clip(x + a N(0, 1), 0, 1)", (0.08, 0.12, 0.18, 0.26, 0.38)
    ),
    "blur": Formula(
        "convolved with a Gaussian, standard deviation a times the shorter side",
        (0.01, 0.015, 0.02, 0.03, 0.04),
    ),
    "jpeg": Formula("stored as JPEG of quality a", (25, 18, 15, 10, 7)),
    "fgsm": Formula("clip(x + a sign(gradient of the loss), 0, 1)", _EPSILONS),
    "pgd": Formula(
        "ten steps of a / 4 up the loss, no pixel further than a from x", _EPSILONS
    ),
}
