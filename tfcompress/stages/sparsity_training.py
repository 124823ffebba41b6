"""SparsityTraining: training that makes some channels small, for pruning to remove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import tensorflow as tf
import tf_keras as keras

from tfcompress.channels.kernels import DEPTHWISE, TRANSPOSED
from tfcompress.channels.removal import Removable
from tfcompress.errors import ModelError
from tfcompress.rewriting.check import check_tf_keras
from tfcompress.run import Run
from tfcompress.stages.stage import clone_model
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train

Penalty = Callable[[], tf.Tensor]


@dataclass(frozen=True, kw_only=True)
class SparsityTraining(Fit):
    """Trains with a penalty under which unimportant channels shrink towards zero.

    It prepares `ChannelPruning`, which then finds channels that cost little to remove
    (with importance `bn` after `gamma`, with `l2` after `group`). The training loss
    includes the penalty. The validation loss does not: its curve, early stopping and
    best weights mean what they mean in `Training`. The returned model is a plain one.

    Args:
      penalty: `gamma` is the sum of |gamma| of every BatchNormalization; `group` is the
        sum of the Euclidean norms of the kernels of all output channels that
        `ChannelPruning` could remove.
      strength: weight of the penalty in the loss, 0 or more; 1e-4 is usual for `gamma`
        with `sgd`. Optimizers that scale gradients (`adam`, `adamw`, `rmsprop`) scale
        the penalty's too, and so shrink what the loss hardly depends on faster.

    Raises:
      InvalidArgumentError: a value out of range.
      ModelError: the model has nothing that the penalty applies to.

    Example:
      >>> stage = tfc.SparsityTraining(strength=1e-4, epochs=5, optimizer="sgd")
      >>> model = stage(model, run)
      >>> model = tfc.ChannelPruning(importance="bn", epochs=2)(model, run)

    References:
      Liu et al., Learning Efficient Convolutional Networks through Network Slimming,
      arXiv:1708.06519, equation 1.
      Wen et al., Learning Structured Sparsity in Deep Neural Networks,
      arXiv:1608.03665, equation 2.
    """

    penalty: Literal["gamma", "group"] = "gamma"
    strength: float = 1e-4

    provides: ClassVar[frozenset[str]] = frozenset()
    destroys: ClassVar[frozenset[str]] = frozenset(
        {"clusters", "sparsity", "quantization"}
    )

    def __post_init__(self) -> None:
        """Checks the values that `Fit` does not know."""
        super().__post_init__()
        if self.strength < 0:
            self._refuse("strength", "0 or more; 1e-4 is usual.")

    def check(self, model: keras.Model) -> None:
        """Raises ModelError if the model has nothing that the penalty applies to."""
        check_tf_keras(model)
        if not _LAYERS[self.penalty](model):
            raise ModelError(
                f"model {model.name!r} has {_MISSING[self.penalty]}, so "
                f"SparsityTraining(penalty={self.penalty!r}) would be plain training"
            )

    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a trained plain copy of `model`."""
        self.check(model)
        trained = clone_model(model)
        layers = _LAYERS[self.penalty](trained)

        def penalty() -> tf.Tensor:
            return tf.add_n([_SIZES[self.penalty](layer) for layer in layers])

        before = float(penalty())
        switch = _PenaltySwitch(penalty, self.strength)
        # A layer's losses reach whatever model it is trained in, a Distiller too.
        layers[0].add_loss(switch.loss)
        train(trained, run, self, [switch])
        run.note(
            penalty=self.penalty, penalty_before=before, penalty_after=float(penalty())
        )
        # The copy has the weights, but not the loss.
        return clone_model(trained)


class _PenaltySwitch(keras.callbacks.Callback):
    """A penalty in the loss that is trained on, but not in the one that is validated.

    Args:
      penalty: computes what is added to the loss.
      strength: its weight.
    """

    def __init__(self, penalty: Penalty, strength: float):
        super().__init__()
        self._penalty = penalty
        self._strength = strength
        self._weight = tf.Variable(strength, trainable=False, dtype=tf.float32)

    def loss(self) -> tf.Tensor:
        """Returns what is added to the loss at the moment."""
        return self._weight * self._penalty()

    def on_test_begin(self, logs: Any = None) -> None:
        """Takes the penalty out."""
        self._weight.assign(0.0)

    def on_test_end(self, logs: Any = None) -> None:
        """Puts it in again."""
        self._weight.assign(self._strength)


def _norms(model: keras.Model) -> Sequence[keras.layers.Layer]:
    kind = keras.layers.BatchNormalization
    return [x for x in model.layers if isinstance(x, kind) and x.scale]


def _kernels(model: keras.Model) -> Sequence[keras.layers.Layer]:
    names = {name for f in Removable(model).families for name in f.layers}
    return [layer for layer in model.layers if layer.name in names]


def _sum_of_gammas(layer: keras.layers.Layer) -> tf.Tensor:
    return tf.reduce_sum(tf.abs(layer.gamma))


def _sum_of_norms(layer: keras.layers.Layer) -> tf.Tensor:
    is_depthwise = isinstance(layer, DEPTHWISE)
    kernel = layer.depthwise_kernel if is_depthwise else layer.kernel
    channels = [-2] if isinstance(layer, TRANSPOSED) else [-1]
    if is_depthwise:
        channels = [-2, -1]
    rank = len(kernel.shape)
    kept = [axis % rank for axis in channels]
    squares = tf.reduce_sum(kernel**2, [a for a in range(rank) if a not in kept])
    # The gradient of a norm of zero would be NaN; so it is zero, a subgradient.
    return tf.reduce_sum(tf.sqrt(tf.maximum(squares, 1e-24)))


_LAYERS = {"gamma": _norms, "group": _kernels}
_SIZES = {"gamma": _sum_of_gammas, "group": _sum_of_norms}
_MISSING = {
    "gamma": "no BatchNormalization with a scale",
    "group": "no channels that can be removed",
}
