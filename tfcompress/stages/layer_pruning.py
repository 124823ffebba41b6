"""LayerPruning: whole residual blocks are dropped, the skip taking their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.channels.statistics import reestimate_batch_normalization
from tfcompress.data.calibration import class_balanced_indices
from tfcompress.errors import ModelError
from tfcompress.profiling.keras_model import profile_keras_model
from tfcompress.rewriting.float32 import in_float32
from tfcompress.rewriting.forward import call_layer, forward
from tfcompress.rewriting.graph import Graph, Node, Tensor
from tfcompress.rewriting.residual_blocks import (
    ResidualBlock,
    find_residual_blocks,
    take_out,
)
from tfcompress.run import Run, derive_seed
from tfcompress.stages.stage import check_not_quantized, select_layers
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train

# Returns how much it hurts to drop a block, besides those dropped already, by names.
Importance = Callable[[str, Sequence[str]], float]
_BATCH_SIZE = 128
_MEASURES = ("macs", "params")


@dataclass(frozen=True, kw_only=True)
class LayerPruning(Fit):
    """Drops the residual blocks that matter least, and trains what is left.

    A block can be dropped where a branch is added to the very tensor that it began
    with: the first block of a stage, whose skip has a convolution, always stays. Blocks
    are dropped one after another, BatchNorm statistics are re-estimated, and the
    smaller model is trained.

    Args:
      num_blocks: how many blocks are dropped.
      target: instead of a number, `{"macs": 0.8}` or `{"params": 0.8}`: blocks are
        dropped until at most this fraction of the model, in (0, 1), is left.
      importance: `validation_loss` is the loss without the block, on validation images,
        measured anew after each that is dropped; `feature_change` is the size of what
        the block adds, as a fraction of what it is added to, on training images: one
        pass for all blocks.
      ignore: shell-style patterns of layers that are kept, with their whole block.
      num_images: images that importance is measured on, and BatchNorm statistics.
      epochs: of training after all blocks are dropped; 0 only drops them.

    Raises:
      InvalidArgumentError: a value out of range, or a pattern that matches nothing.
      ModelError: the model has no such blocks, or too few.

    Example:
      >>> model = tfc.LayerPruning(num_blocks=2, epochs=2)(model, run)

    References:
      Veit et al., Residual Networks Behave Like Ensembles of Relatively Shallow
      Networks, arXiv:1605.06431, section 4.1.
      Men et al., ShortGPT: Layers in Large Language Models are More Redundant Than You
      Expect, arXiv:2403.03853, section 3.
    """

    num_blocks: int | None = None
    target: Mapping[str, float] | None = None
    importance: Literal["validation_loss", "feature_change"] = "validation_loss"
    ignore: tuple[str, ...] = ()
    num_images: int = 512

    provides: ClassVar[frozenset[str]] = frozenset()
    destroys: ClassVar[frozenset[str]] = frozenset(
        {"clusters", "sparsity", "quantization"}
    )

    def __post_init__(self) -> None:
        """Checks every value that can be checked without a model."""
        super().__post_init__()
        if (self.num_blocks is None) == (self.target is None):
            self._refuse("num_blocks", "given, or else a target; not both.")
        for name in ("num_blocks", "num_images"):
            value = getattr(self, name)
            if value is not None and value < 1:
                self._refuse(name, "a whole number of 1 or more.")
        if self.target is not None:
            kind, fraction = next(iter(self.target.items()), ("", 0.0))
            if kind not in _MEASURES or len(self.target) != 1 or not 0 < fraction < 1:
                self._refuse(
                    "target",
                    'such as {"macs": 0.8} or {"params": 0.8}: the fraction in (0, 1) '
                    "that is left.",
                )

    def check(self, model: keras.Model) -> None:
        """Raises InvalidArgumentError or ModelError if there are too few blocks."""
        check_not_quantized(model)
        blocks = self._droppable(Graph.from_model(model), self._kept(model))
        if len(blocks) < (self.num_blocks or 1):
            raise ModelError(
                f"model {model.name!r} has {len(blocks)} residual blocks that can be "
                f"dropped, expected {self.num_blocks or 1} or more: a branch that is "
                "added to the very tensor it began with, and not in ignore"
            )

    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a shallower plain model with the same inputs and outputs."""
        self.check(model)
        sample = run.data.calibration(
            self.num_images, derive_seed(run.seed, "layer_pruning")
        )
        smaller, dropped = self._drop(model, self._measure(model, run, sample.images))
        reestimate_batch_normalization(smaller, sample.images)
        train(smaller, run, self)
        before, after = (profile_keras_model(m).totals for m in (model, smaller))
        run.note(
            dropped=dropped,
            importance=self.importance,
            reached={k: getattr(after, k) / getattr(before, k) for k in _MEASURES},
        )
        return smaller

    def _drop(
        self, model: keras.Model, importance: Importance
    ) -> tuple[keras.Model, dict[str, float]]:
        """Returns a model without blocks, and how much each of these mattered."""
        graph, kept = Graph.from_model(model), self._kept(model)
        dropped: dict[str, float] = {}
        smaller = model
        while not self._is_done(model, smaller, len(dropped)):
            blocks = self._droppable(graph, kept)
            if not blocks:
                raise ModelError(
                    f"model {model.name!r} has no further blocks to drop after "
                    f"{', '.join(dropped)}, and is not down to {self._asked()} yet; "
                    "ask for less, or combine it with ChannelPruning"
                )
            scores = [importance(block.name, [*dropped]) for block in blocks]
            place = int(np.argmin(scores))
            dropped[blocks[place].name] = scores[place]
            take_out(graph, blocks[place])
            smaller = graph.to_model()
        return smaller, dropped

    def _is_done(
        self, model: keras.Model, smaller: keras.Model, num_dropped: int
    ) -> bool:
        if self.target is None:
            return num_dropped == self.num_blocks
        ((kind, fraction),) = self.target.items()
        whole, left = (
            getattr(profile_keras_model(m).totals, kind) for m in (model, smaller)
        )
        return bool(left <= fraction * whole)

    def _asked(self) -> str:
        return (
            f"{self.num_blocks} blocks less"
            if self.target is None
            else str(dict(self.target))
        )

    def _kept(self, model: keras.Model) -> frozenset[str]:
        if not self.ignore:
            return frozenset()
        return frozenset(select_layers(model, self.ignore, lambda layer: True))

    def _droppable(self, graph: Graph, kept: frozenset[str]) -> list[ResidualBlock]:
        return [b for b in find_residual_blocks(graph) if not b.layers & kept]

    def _measure(self, model: keras.Model, run: Run, images: np.ndarray) -> Importance:
        graph = Graph.from_model(in_float32(model))
        blocks = find_residual_blocks(graph)
        if self.importance == "feature_change":
            changes = feature_changes(graph, blocks, images)
            return lambda name, dropped: changes[name]
        validation = run.data.validation
        chosen = class_balanced_indices(
            validation.labels, self.num_images, derive_seed(run.seed, "layer_pruning")
        )
        part = replace(run.data, validation=validation.take(chosen))
        batches = list(part.batches("validation", _BATCH_SIZE))
        loss = loss_without(graph, blocks, batches)
        return lambda name, dropped: loss([*dropped, name])


def feature_changes(
    graph: Graph, blocks: Sequence[ResidualBlock], images: np.ndarray
) -> dict[str, float]:
    """Returns how much each block changes what it is given, by name.

    That is the Euclidean norm of what it adds over that of what it is added to, as a
    mean over images.

    Args:
      graph: straight from `Graph.from_model`.
      blocks: of the graph.
      images: (num_images, height, width, channels).
    """

    @tf.function
    def changes(pictures: tf.Tensor) -> list[tf.Tensor]:
        values = forward(graph, pictures)
        return [
            tf.reduce_sum(_norms(values[b.branch]) / (_norms(values[b.skip]) + 1e-12))
            for b in blocks
        ]

    starts = range(0, len(images), _BATCH_SIZE)
    sums = [changes(tf.constant(images[i : i + _BATCH_SIZE])) for i in starts]
    means = np.sum(sums, axis=0) / len(images)
    return {b.name: float(mean) for b, mean in zip(blocks, means, strict=True)}


def _norms(values: tf.Tensor) -> tf.Tensor:
    """Returns (batch,) Euclidean norms."""
    return tf.norm(tf.reshape(values, [tf.shape(values)[0], -1]), axis=1)


def loss_without(
    graph: Graph,
    blocks: Sequence[ResidualBlock],
    batches: Sequence[tuple[tf.Tensor, tf.Tensor]],
) -> Callable[[Sequence[str]], float]:
    """Returns a function from names of blocks to the mean loss without these blocks.

    It is compiled once: what each branch adds is multiplied by 1 or by 0.

    Args:
      graph: straight from `Graph.from_model`; its one output are logits.
      blocks: of the graph.
      batches: images and class ids.
    """
    places = {block.add: place for place, block in enumerate(blocks)}
    branches: list[Tensor] = [block.branch for block in blocks]

    @tf.function
    def losses(images: tf.Tensor, labels: tf.Tensor, gates: tf.Tensor) -> tf.Tensor:
        def call(node: Node, given: Any) -> tf.Tensor:
            if node not in places:
                return call_layer(node, given)
            place = places[node]
            pairs = zip(node.inputs, given, strict=True)
            return tf.add_n(
                [v * gates[place] if t == branches[place] else v for t, v in pairs]
            )

        logits = forward(graph, images, call)[graph.outputs[0]]
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    def loss(names: Sequence[str]) -> float:
        gates = tf.constant([float(block.name not in names) for block in blocks])
        return float(np.mean(np.concatenate([losses(x, y, gates) for x, y in batches])))

    return loss
