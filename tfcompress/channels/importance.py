"""Importance: how much each output channel of a layer matters, by many criteria.

Each criterion is a function of what is known of one layer, `LayerStatistics`, and
returns one number an output channel; larger matters more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tfcompress.channels.cost import Kernel
from tfcompress.errors import InvalidArgumentError, ModelError


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """What the importance of a layer's output channels can be told from.

    Args:
      name: of the layer.
      kernel: (weights of a channel, channels) its kernel, a column for each output.
      gamma: (channels,) of the BatchNormalization that follows; None without one.
      taylor: (channels,) mean over images of |sum over pixels of activation times the
        loss's gradient|; None where it was not asked for.
      activation: (channels,) mean over images and pixels of |activation|; likewise.
      random: a seeded source of random numbers.
    """

    name: str
    kernel: np.ndarray
    gamma: np.ndarray | None
    taylor: np.ndarray | None
    activation: np.ndarray | None
    random: np.random.Generator


Importance = Callable[[LayerStatistics], np.ndarray]


def l1(layer: LayerStatistics) -> np.ndarray:
    """Sum of the absolute weights of a channel.

    References:
      Li et al., Pruning Filters for Efficient ConvNets, arXiv:1608.08710, section 3.1.
    """
    return np.asarray(np.abs(layer.kernel).sum(0))


def l2(layer: LayerStatistics) -> np.ndarray:
    """Euclidean norm of the weights of a channel.

    References:
      He et al., Soft Filter Pruning, arXiv:1808.06866, equation 2.
    """
    return np.asarray(np.linalg.norm(layer.kernel, axis=0))


def batch_normalization(layer: LayerStatistics) -> np.ndarray:
    """|gamma| of the BatchNormalization that follows; NaN, which is no opinion, else.

    References:
      Liu et al., Learning Efficient Convolutional Networks through Network Slimming,
      arXiv:1708.06519, section 3.
    """
    if layer.gamma is None:
        return np.full(layer.kernel.shape[1], np.nan)
    return np.abs(layer.gamma)


def taylor(layer: LayerStatistics) -> np.ndarray:
    """First-order estimate of the loss's change without the channel.

    References:
      Molchanov et al., Pruning Convolutional Neural Networks for Resource Efficient
      Inference, arXiv:1611.06440, equation 8.
    """
    assert layer.taylor is not None
    return layer.taylor


def geometric_median(layer: LayerStatistics) -> np.ndarray:
    """Sum of the distances to the layer's other filters: near ones can stand for it.

    References:
      He et al., Filter Pruning via Geometric Median, arXiv:1811.00250, equation 4.
    """
    columns = layer.kernel.astype(np.float64)
    squares = (columns**2).sum(0)
    distances = squares[:, None] + squares - 2 * columns.T @ columns
    return np.asarray(np.sqrt(np.maximum(distances, 0)).sum(0))


def activation(layer: LayerStatistics) -> np.ndarray:
    """Mean absolute value of the channel, behind BatchNorm and activation.

    References:
      Molchanov et al., arXiv:1611.06440, section 2.2, "Activation".
    """
    assert layer.activation is not None
    return layer.activation


def random(layer: LayerStatistics) -> np.ndarray:
    """A random number for each channel: what other criteria have to beat."""
    return np.asarray(layer.random.random(layer.kernel.shape[1]))


IMPORTANCES: dict[str, Importance] = {
    "l1": l1,
    "l2": l2,
    "bn": batch_normalization,
    "taylor": taylor,
    "fpgm": geometric_median,
    "activation": activation,
    "random": random,
}
Reduction = Literal["mean", "max", "sum"]


def needs_images(importance: str | Importance) -> bool:
    """Returns whether a criterion, or a name of one, is told from activations."""
    return callable(importance) or importance in ("taylor", "activation")


def score_groups(
    importance: Importance,
    layers: Sequence[LayerStatistics],
    kernels: Mapping[str, Kernel],
    num_groups: int,
    reduction: Reduction = "mean",
    normalize: bool = True,
) -> np.ndarray:
    """Returns how much each group of channels matters.

    Args:
      importance: of a layer's channels.
      layers: all layers with a kernel.
      kernels: tells the groups of each layer's output channels, by name.
      num_groups: of channels.
      reduction: what a group's score is of those of its channels, in all layers.
      normalize: whether each layer's scores are divided by their mean, so that layers
        can be compared whatever the size of their weights.

    Returns:
      (num_groups,) scores; NaN where no layer has an opinion.

    Raises:
      InvalidArgumentError: an importance is not one number a channel.
      ModelError: it is infinite.
    """
    total, number = np.zeros(num_groups), np.zeros(num_groups)
    highest = np.full(num_groups, -np.inf)
    for layer in layers:
        scores = np.asarray(importance(layer))
        groups = kernels[layer.name].outputs
        if scores.shape != groups.shape or scores.dtype.kind not in "fiub":
            raise InvalidArgumentError(
                f"importance gave {scores.dtype} of shape {scores.shape} for layer "
                f"{layer.name!r}; expected one number a channel, {groups.shape}"
            )
        scores = scores.astype(np.float64)
        if np.isinf(scores).any():
            raise ModelError(
                f"the importance of a channel of layer {layer.name!r} is infinite; "
                "look for weights or gradients that exploded"
            )
        known = ~np.isnan(scores)
        scores, groups = scores[known], groups[known]
        if normalize and scores.size:
            scores = scores / max(abs(scores.mean()), 1e-30)
        np.add.at(total, groups, scores)
        np.add.at(number, groups, 1)
        np.maximum.at(highest, groups, scores)
    number[number == 0] = np.nan
    by_name = {"mean": total / number, "max": highest, "sum": total}
    return np.where(np.isnan(number), np.nan, by_name[reduction])
