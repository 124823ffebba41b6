"""ChannelPruning: whole channels are removed, and a smaller plain model comes out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import numpy as np
import tf_keras as keras

from tfcompress.channels.families import Limits
from tfcompress.channels.importance import IMPORTANCES, Importance, needs_images
from tfcompress.channels.removal import Ranking, Removable
from tfcompress.channels.statistics import reestimate_batch_normalization
from tfcompress.data import check_model_fits
from tfcompress.errors import ModelError
from tfcompress.run import Run, derive_seed
from tfcompress.stages.channel_targets import (
    FRACTIONS,
    MEASURED,
    Choice,
    Target,
    is_target,
    make_target,
)
from tfcompress.stages.rewinding import check_checkpoint, with_earlier_weights
from tfcompress.stages.stage import check_not_quantized, clone_model, select_layers
from tfcompress.training.fit import Fit
from tfcompress.training.logits import check_outputs_logits
from tfcompress.training.loop import train


@dataclass(frozen=True, kw_only=True)
class ChannelPruning(Fit):
    """Removes the channels that matter least, and trains what is left.

    Unlike `Pruning`, which makes zeros, it makes tensors smaller: fewer parameters,
    fewer multiply-accumulates, less time. Channels that belong together (along a
    residual, through a depthwise convolution, a squeeze-and-excite branch, a
    concatenation or a channel shuffle) go together; inputs and outputs of the model,
    and whatever a layer that is not known is given, stay as they are.

    Args:
      target: what is kept, of what: `{"macs": 0.5}`, `{"params": 0.5}` or
        `{"channels": 0.5}`, as a fraction in (0, 1) of what the model has; a number
        alone is a fraction of the channels. Reached from below, within 2 % of the
        whole where steps of `round_to` are that fine. Or what the int8 .tflite file is
        to cost that QuantizationAware and an export make of the model:
        `{"size_bytes": 100_000}`, or `{"latency_ms": 1.5}` for an image on LiteRT with
        one thread of this machine. These are built and
        measured, a few candidates of them, and reached within 2 % of the target where
        the steps of `round_to` are as fine.
      importance: how much a channel matters: `l1`, `l2`, `bn`, `taylor`, `fpgm`,
        `activation`, `random`; or a function of `LayerStatistics`.
      reduction: how the scores of channels that belong together become one: `mean`,
        `max` or `sum`.
      normalize: whether scores are divided by their layer's mean before layers are
        compared.
      ranking: `global` compares all layers, `layer` takes the same share of each.
      num_iterations: the target is approached in so many equal factors, each followed
        by `epochs` of training.
      round_to: layers keep a multiple of this many channels; 16 is what int8 kernels of
        AVX512 compute at a time, 64 those of AMX. A warning tells if the target is
        missed by it. Grouped convolutions keep parts of equal size instead.
      min_channels: channels that each layer keeps at least.
      max_removed: largest share of its channels that a layer loses, in (0, 1).
      ignore: shell-style patterns of layers that keep all their output channels.
      num_images: training images for `taylor`, `activation` and the new statistics of
        BatchNorm.
      rewind: the earlier weights that what is left goes back to after each removal,
        before it is trained again (a lottery ticket): the name of a trained model of
        the recipe from which this one was trained on, as
        `Training(initial_weights=...)` does, or the path of its `.keras` or `.h5` file.
      epochs: of training after each removal; 0 only removes.

    Raises:
      InvalidArgumentError: a value out of range, or a pattern that matches nothing.
      ModelError: the target cannot be reached; says how far it is and what is in the
        way.

    Example:
      >>> stage = tfc.ChannelPruning(target={"macs": 0.5}, epochs=2)
      >>> model = stage(model, run)

    References:
      Fang et al., DepGraph: Towards Any Structural Pruning, arXiv:2301.12900.
    """

    target: float | Mapping[str, float] = field(default_factory=lambda: {"macs": 0.5})
    importance: str | Importance = "l2"
    reduction: Literal["mean", "max", "sum"] = "mean"
    normalize: bool = True
    ranking: Ranking = "global"
    num_iterations: int = 1
    round_to: int = 8
    min_channels: int = 8
    max_removed: float = 0.9
    ignore: tuple[str, ...] = ()
    num_images: int = 512
    rewind: str | None = None

    provides: ClassVar[frozenset[str]] = frozenset()
    destroys: ClassVar[frozenset[str]] = frozenset(
        {"clusters", "sparsity", "quantization"}
    )

    def __post_init__(self) -> None:
        """Checks every value that can be checked without a model."""
        super().__post_init__()
        if not is_target(self._target):
            self._refuse(
                "target",
                f"one of {', '.join(FRACTIONS)} with the fraction in (0, 1) that is "
                f"kept, such as {{'macs': 0.5}}, or one of {', '.join(MEASURED)} with "
                "what the int8 file is to cost.",
            )
        if isinstance(self.importance, str) and self.importance not in IMPORTANCES:
            self._refuse(
                "importance", f"a function, or one of {', '.join(IMPORTANCES)}"
            )
        for name in ("num_iterations", "round_to", "min_channels", "num_images"):
            if getattr(self, name) < 1:
                self._refuse(name, "a whole number of 1 or more.")
        if not 0 < self.max_removed < 1:
            self._refuse("max_removed", "a fraction in (0, 1).")

    @property
    def _target(self) -> Mapping[str, float]:
        if isinstance(self.target, Mapping):
            return self.target
        return {"channels": self.target}

    def check(self, model: keras.Model) -> None:
        """Raises InvalidArgumentError or ModelError if nothing can be removed."""
        check_checkpoint(self.rewind)
        check_not_quantized(model)
        removable = self._removable(model)
        if not removable.families:
            raise ModelError(
                f"model {model.name!r} has no channels that can be removed: "
                f"{_in_the_way(removable)}"
            )

    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a smaller plain model with the same inputs and outputs."""
        self.check(model)
        self._check_data(model, run)
        ((kind, value),) = self._target.items()
        removable = self._removable(model)
        target = make_target(kind, value, removable, run)
        widths = {layer.name: layer.outputs.size for layer in removable.cost.kernels}
        pruned, reached = clone_model(model), target.whole
        earlier: list[np.ndarray] | None = None
        if self.rewind is not None:
            earlier = with_earlier_weights(model, self.rewind, run).get_weights()
            run.note(rewind=self.rewind)
        for step in range(1, self.num_iterations + 1):
            part = (target.goal / target.whole) ** (step / self.num_iterations)
            cost = part * target.whole
            keep, reached = self._choose(pruned, run, target, cost, widths)
            if earlier is not None:
                pruned.set_weights(earlier)
            pruned = self._removable(pruned).without(keep)
            earlier = None if earlier is None else pruned.get_weights()
            reestimate_batch_normalization(pruned, self._sample(run)[0])
            if self.epochs:
                train(pruned, run, self)
        self._note(model, pruned, run)
        run.note(below_target=self._below_target(target, reached))
        if run.facts["below_target"]:
            warnings.warn(run.facts["below_target"], stacklevel=2)
        costs = {"target": value, "before": target.whole, "reached": reached}
        # A run that is used again forgets the target of the time before.
        run.note(**{name: costs if name == kind else None for name in MEASURED})
        return pruned

    def _below_target(self, target: Target, reached: float) -> str | None:
        """Returns a warning if more went than was asked for."""
        if reached >= target.lowest:
            return None
        mend = "set a smaller one" if self.round_to > 1 else "ignore some layers"
        return (
            f"channel pruning went down to {target.text(reached)}, further than to "
            f"{target.text(target.goal)}: in this order of importance, no step of what "
            f"goes at once (round_to={self.round_to}, parts of grouped convolutions) "
            f"lands nearer; {mend}"
        )

    def _check_data(self, model: keras.Model, run: Run) -> None:
        """Raises ModelError unless the model takes what it will be given."""
        if self.epochs or needs_images(self.importance):
            check_model_fits(model, run.data)
            check_outputs_logits(model, "model")
        shape, images = model.input_shape, run.data.input_shape
        if not isinstance(shape, tuple) or not all(
            side in (None, size) for side, size in zip(shape[1:], images, strict=False)
        ):
            raise ModelError(
                f"model {model.name!r} takes inputs of shape {shape} and the images of "
                f"{run.data.name} are {images}: BatchNorm gets new statistics from "
                "them; build the model for one such image, or load other data"
            )

    def _choose(
        self,
        model: keras.Model,
        run: Run,
        target: Target,
        cost: float,
        widths: Mapping[str, int],
    ) -> Choice:
        """Returns which groups of channels are kept, and what that costs.

        `widths` are the channels that each layer had at first.
        """
        removable = self._removable(model)
        limits = Limits(self.round_to, self.min_channels, self.max_removed, widths)
        scores = removable.scores(
            self.importance,
            partial(self._sample, run),
            derive_seed(run.seed, run.stage, "importance"),
            self.reduction,
            self.normalize,
        )
        choose = partial(removable.choose, scores, limits, self.ranking)
        keep, reached = target.choose(removable, choose, cost)
        if reached > cost:
            raise ModelError(
                f"channel pruning gets down to {target.text(reached)}, not to "
                f"{target.text(cost)}: each layer keeps at least "
                f"{self.min_channels} channels and {1 - self.max_removed:.0%} of its "
                f"own, and {_in_the_way(removable)}; ask for less, or set "
                "min_channels, round_to, max_removed or ignore"
            )
        return Choice(keep, reached)

    def _removable(self, model: keras.Model) -> Removable:
        if not self.ignore:
            return Removable(model)
        names = select_layers(model, self.ignore, lambda layer: True)
        return Removable(model, names)

    def _sample(self, run: Run) -> tuple[np.ndarray, np.ndarray]:
        sample = run.data.calibration(
            self.num_images, derive_seed(run.seed, "channel_pruning")
        )
        return sample.images, run.data.train.labels[list(sample.indices)]

    def _note(self, model: keras.Model, pruned: keras.Model, run: Run) -> None:
        before, after = self._removable(model), Removable(pruned)
        run.note(
            target=dict(self._target),
            reached={
                kind: cost(after, after.everything) / cost(before, before.everything)
                for kind, cost in FRACTIONS.items()
            },
            channels={
                kernel.name: [kernel.outputs.size, left.outputs.size]
                for kernel, left in zip(
                    before.cost.kernels, after.cost.kernels, strict=True
                )
            },
            kept_because=before.reasons(),
        )


def _in_the_way(removable: Removable) -> str:
    reasons = list(removable.reasons())[:3]
    return "; ".join(reasons) if reasons else "nothing else is in the way"
