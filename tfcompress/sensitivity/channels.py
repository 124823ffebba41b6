"""Sensitivity: how much accuracy each layer's channels are worth, without training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.channels.families import Family, Limits, find_units
from tfcompress.channels.importance import IMPORTANCES, Importance
from tfcompress.channels.removal import Removable
from tfcompress.data.calibration import with_validation_sample
from tfcompress.data.model_fit import check_model_fits
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.rewriting.check import check_tf_keras
from tfcompress.rewriting.forward import call_layer, forward
from tfcompress.rewriting.graph import Node
from tfcompress.run import derive_seed

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

_BATCH_SIZE = 128
_Batch = tuple[tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class SensitivityRow:
    """What is left of the accuracy without some channels of some layers.

    Args:
      layers: names of the layers that lose them; more than one where their channels
        belong together, as along a residual.
      ratio: the share of their channels that was to be removed, in (0, 1).
      removed: the share that was, the nearest below; 0 where none could be.
      top1: accuracy without them, in [0, 1].
    """

    layers: tuple[str, ...]
    ratio: float
    removed: float
    top1: float


@dataclass(frozen=True)
class Sensitivity:
    """How much accuracy the channels of each layer are worth.

    Args:
      model: its name.
      importance: by which the channels to remove were chosen.
      num_images: of the validation split, on which accuracy was measured.
      top1: accuracy of the whole model on these, in [0, 1].
      rows: layers in the model's order, and for each the ratios.
    """

    model: str
    importance: str
    num_images: int
    top1: float
    rows: tuple[SensitivityRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        return asdict(self)

    def to_json(self) -> str:
        """Returns `to_dict` as an indented JSON document."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


def channel_sensitivity(
    model: keras.Model,
    data: Dataset,
    ratios: Sequence[float] = (0.25, 0.5, 0.75),
    importance: str | Importance = "l2",
    num_images: int = 512,
    seed: int = 0,
) -> Sensitivity:
    """Removes channels of one layer at a time and measures the accuracy that is left.

    Nothing is trained, and the model stays as it is. Layers whose channels can only be
    removed together are tried together. `plot_sensitivity` shows the result.

    Args:
      model: a canonical model, as `load_model` returns it.
      data: accuracy is measured on its validation split; `taylor` and `activation` on
        its training split.
      ratios: shares of channels to remove, in (0, 1).
      importance: as in `ChannelPruning`: what is removed first.
      num_images: images to measure on; all if there are fewer.
      seed: of their choice, and of the importance `random`.

    Raises:
      InvalidArgumentError: a value is outside its range.
      ModelError: the model has no channels that can be removed, or does not fit the
        data.

    Example:
      >>> scan = tfc.channel_sensitivity(model, data)
      >>> tfc.plot_sensitivity(scan).savefig("sensitivity.png")

    References:
      Li et al., Pruning Filters for Efficient ConvNets, arXiv:1608.08710, section 3.2.
    """
    _check(ratios, importance)
    check_tf_keras(model)
    check_model_fits(model, data)
    removable = Removable(model)
    if not removable.families:
        raise ModelError(
            f"model {model.name!r} has no channels that can be removed: "
            f"{'; '.join(list(removable.reasons())[:3])}"
        )

    def sample() -> tuple[np.ndarray, np.ndarray]:
        shown = data.calibration(num_images, derive_seed(seed, "sensitivity"))
        return shown.images, data.train.labels[list(shown.indices)]

    scores = removable.scores(importance, sample, seed)
    part = with_validation_sample(data, num_images, seed)
    top1 = _top1(removable, list(part.batches("validation", _BATCH_SIZE)))
    rows = []
    for family in removable.families:
        for ratio in ratios:
            keep, removed = _without(removable, family, scores, ratio)
            row = SensitivityRow(family.layers, float(ratio), removed, top1(keep))
            rows.append(row)
    name = getattr(importance, "__name__", str(importance))
    whole = top1(removable.everything)
    return Sensitivity(model.name, name, len(part.validation), whole, tuple(rows))


def _check(ratios: Sequence[float], importance: str | Importance) -> None:
    if not len(ratios) or not all(0 < ratio < 1 for ratio in ratios):
        raise InvalidArgumentError(
            f"channel_sensitivity ratios={ratios!r} must be shares of channels to "
            "remove, in (0, 1), such as (0.25, 0.5)"
        )
    if not callable(importance) and importance not in IMPORTANCES:
        raise InvalidArgumentError(
            f"channel_sensitivity importance={importance!r} must be a function, or one "
            f"of {', '.join(IMPORTANCES)}"
        )


def _without(
    removable: Removable, family: Family, scores: np.ndarray, ratio: float
) -> tuple[np.ndarray, float]:
    """Returns which groups are kept, and the share of the family that is removed."""
    keep, removed = removable.everything, 0.0
    limits = Limits(round_to=1, min_channels=1, max_removed=ratio)
    for unit in find_units([family], removable.dependencies.groups, scores, limits):
        keep[unit.groups] = False
        removed = unit.share
    return keep, removed


def _top1(
    removable: Removable, batches: Sequence[_Batch]
) -> Callable[[np.ndarray], float]:
    """Returns a function from the groups that are kept to the accuracy of the model.

    It is compiled once: channels that are gone are zeros wherever a tensor has them,
    which is what a model without them computes.
    """
    graph, dependencies = removable.graph, removable.dependencies

    @tf.function
    def hits(images: tf.Tensor, labels: tf.Tensor, keep: tf.Tensor) -> tf.Tensor:
        def call(node: Node, given: Any) -> tf.Tensor:
            value = call_layer(node, given)
            shape = [1] * len(value.shape)
            shape[dependencies.channels[node.output].axis + 1] = -1
            mask = tf.gather(keep, dependencies.of(node.output))
            return value * tf.cast(tf.reshape(mask, shape), value.dtype)

        logits = forward(graph, images, call)[graph.outputs[0]]
        return tf.argmax(logits, -1, labels.dtype) == labels

    def top1(keep: np.ndarray) -> float:
        kept = tf.constant(keep)
        right = [hits(images, labels, kept) for images, labels in batches]
        return float(np.mean(np.concatenate(right)))

    return top1
