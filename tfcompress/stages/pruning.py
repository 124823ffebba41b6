"""Pruning: TF-MOT's magnitude pruning, layer by layer, checked and stripped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError, TrainingError
from tfcompress.rewriting.float32 import float32_policy, in_float32
from tfcompress.run import Run
from tfcompress.stages.rewinding import check_checkpoint, with_earlier_weights
from tfcompress.stages.stage import clone_model, select_layers
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train

_PRUNABLE = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Dense)
_TOLERANCE = 0.005


@dataclass(frozen=True, kw_only=True)
class Pruning(Fit):
    """Sets the smallest weights of each kernel to zero while training the rest.

    Zeros make the compressed file smaller; LiteRT does not run faster for them. With
    `rewind`, the zeros are chosen at once, all other weights go back to what they once
    were, and are trained again while the zeros stay: a lottery ticket.

    Args:
      final_sparsity: share of zeros in every chosen kernel at the end, in (0, 1).
        Not used with `sparsity_m_by_n`.
      initial_sparsity: share of zeros at the first step, in [0, final_sparsity);
        only for the polynomial schedule.
      schedule: `polynomial` raises the sparsity with TF-MOT's `PolynomialDecay`
        (power 3) until `end_fraction` of the steps; `constant` starts at the final one.
      end_fraction: share of the training steps after which sparsity stays, in (0, 1].
      frequency: training steps between two mask updates; 0 makes about 20 updates
        an epoch, at least 5 steps apart; TF-MOT's own default is 100.
      layers: shell-style patterns of the layers to prune; `*` takes every
        convolution and dense layer.
      exclude: patterns of layers to leave dense.
      depthwise: whether depthwise kernels can be pruned as well. They hold few of a
        net's weights, and it misses each of them.
      block_size: (height, width) of the blocks that live or die together; TF-MOT
        allows blocks on two-dimensional (dense) kernels only.
      sparsity_m_by_n: (m, n): m zeros in every n consecutive weights of an output.
      rewind: the earlier weights: the name of a trained model of the recipe from which
        this one was trained on (`Training(initial_weights=...)`), or the path of such a
        `.keras` or `.h5` file. The schedule is not used then.
      epochs: 0 prunes once, by magnitude, without training.

    Raises:
      InvalidArgumentError: a value out of range, or no layer to prune.
      ModelError: the model to rewind to is missing, or is not of this architecture.
      TrainingError: a kernel did not reach the sparsity asked for within 0.005 (or
        within half a weight, where a kernel has fewer than 100).

    Example:
      >>> model = tfc.Pruning(final_sparsity=0.8, epochs=2)(model, run)

    References:
      Zhu & Gupta, To prune, or not to prune, arXiv:1710.01878, equation 1.
      Frankle & Carbin, The Lottery Ticket Hypothesis, arXiv:1803.03635, section 1;
      Frankle et al., Stabilizing the Lottery Ticket Hypothesis, arXiv:1903.01611.
    """

    final_sparsity: float = 0.5
    initial_sparsity: float = 0.0
    schedule: Literal["polynomial", "constant"] = "polynomial"
    end_fraction: float = 0.7
    frequency: int = 0
    layers: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    depthwise: bool = False
    block_size: tuple[int, int] = (1, 1)
    sparsity_m_by_n: tuple[int, int] | None = None
    rewind: str | None = None

    provides: ClassVar[frozenset[str]] = frozenset({"sparsity"})
    destroys: ClassVar[frozenset[str]] = frozenset({"clusters", "quantization"})

    def __post_init__(self) -> None:
        """Checks every value that can be checked without a model."""
        super().__post_init__()
        if not 0 < self.final_sparsity < 1:
            self._refuse("final_sparsity", "in (0, 1), so write 0.8 for 80 %.")
        if not 0 <= self.initial_sparsity < self.final_sparsity:
            self._refuse(
                "initial_sparsity",
                f"at least 0 and below final_sparsity={self.final_sparsity}.",
            )
        if not 0 < self.end_fraction <= 1:
            self._refuse("end_fraction", "in (0, 1].")
        if self.frequency < 0:
            self._refuse("frequency", "0 (chosen for you) or more.")
        if min(self.block_size) < 1:
            self._refuse("block_size", "at least (1, 1).")
        zeros, block = self.sparsity_m_by_n or (1, 2)
        if not 0 < zeros < block:
            self._refuse(
                "sparsity_m_by_n",
                "(zeros, block) with 0 < zeros < block, such as (2, 4).",
            )
        is_gradual = self.schedule == "polynomial" and self.rewind is None
        if is_gradual and (self.early_stopping or self.restore_best_weights):
            raise InvalidArgumentError(
                "Pruning with the polynomial schedule cannot use early_stopping or "
                "restore_best_weights: an earlier epoch is less sparse than asked; "
                "use schedule='constant' or leave them out"
            )

    @property
    def target_sparsity(self) -> float:
        """Share of zeros promised in each chosen kernel."""
        if self.sparsity_m_by_n is None:
            return self.final_sparsity
        return self.sparsity_m_by_n[0] / self.sparsity_m_by_n[1]

    def check(self, model: keras.Model) -> None:
        """Raises InvalidArgumentError if a layer that is named cannot be pruned."""
        select_layers(model, self.layers, self.suits, self.exclude)
        check_checkpoint(self.rewind)

    @float32_policy()
    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a pruned plain copy of `model`, without TF-MOT's wrappers."""
        names = select_layers(model, self.layers, self.suits, self.exclude)
        self._check_zeros_stay(model, names)
        clone = in_float32(clone_model(model))
        wrapped = self._wrap(clone, names, run)
        if self.rewind is not None or not self.epochs:
            _prune_once(wrapped)
        if self.rewind is not None:
            _rewind(wrapped, with_earlier_weights(model, self.rewind, run))
            run.note(rewind=self.rewind)
        train(wrapped, run, self, callbacks=[tfmot.sparsity.keras.UpdatePruningStep()])
        pruned = clone_model(model)
        pruned.set_weights(tfmot.sparsity.keras.strip_pruning(wrapped).get_weights())
        reached = self._check(pruned, names)
        run.note(
            target_sparsity=self.target_sparsity,
            layers=reached,
            skipped=_skipped(model, names),
        )
        return pruned

    def suits(self, layer: keras.layers.Layer) -> bool:
        """Returns whether the layer has a kernel that this stage can prune."""
        if self.block_size != (1, 1):
            return isinstance(layer, keras.layers.Dense)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            return self.depthwise and not self.sparsity_m_by_n
        if not isinstance(layer, _PRUNABLE):
            return False
        # TF-MOT makes no zero at all in a kernel whose inputs do not fill a block.
        n = self.sparsity_m_by_n[1] if self.sparsity_m_by_n else 1
        return _kernel(layer).shape[-2] % n == 0

    def _wrap(self, clone: keras.Model, names: Sequence[str], run: Run) -> keras.Model:
        settings: dict[str, Any] = {
            "pruning_schedule": self._schedule(run),
            "block_size": self.block_size,
        }
        if self.sparsity_m_by_n is not None:
            settings["sparsity_m_by_n"] = self.sparsity_m_by_n

        def wrap(layer: keras.layers.Layer) -> keras.layers.Layer:
            if layer.name not in names:
                return layer
            # What TF-MOT asks of layers that are not in its own list.
            layer.get_prunable_weights = lambda: [_kernel(layer)]
            return tfmot.sparsity.keras.prune_low_magnitude(layer, **settings)

        return keras.models.clone_model(clone, clone_function=wrap)

    def _schedule(self, run: Run) -> Any:
        if self.rewind is not None:
            # The masks are made at step 1, before training, and then stay.
            return tfmot.sparsity.keras.ConstantSparsity(
                self.final_sparsity, begin_step=0, end_step=1, frequency=1
            )
        steps = self.epochs * run.data.steps_per_epoch(self.batch_size)
        if not steps:
            return tfmot.sparsity.keras.ConstantSparsity(
                self.final_sparsity, begin_step=0, frequency=1
            )
        last_step = max(1, int(steps * self.end_fraction))
        # Each update sorts every kernel: at every step that costs a quarter of it.
        frequency = self.frequency or max(5, steps // self.epochs // 20)
        frequency = min(frequency, last_step)
        if self.schedule == "constant":
            return tfmot.sparsity.keras.ConstantSparsity(
                self.final_sparsity, begin_step=0, frequency=frequency
            )
        # TF-MOT updates masks only at multiples of the frequency, so an end step
        # between two of them would leave the sparsity short of the final one.
        end_step = last_step // frequency * frequency
        return tfmot.sparsity.keras.PolynomialDecay(
            initial_sparsity=self.initial_sparsity,
            final_sparsity=self.final_sparsity,
            begin_step=0,
            end_step=end_step,
            frequency=frequency,
        )

    def _check_zeros_stay(self, model: keras.Model, names: Sequence[str]) -> None:
        """Refuses a model whose zeros, from an earlier pruning, this one would lose."""
        for layer in model.layers:
            if not isinstance(layer, (*_PRUNABLE, keras.layers.DepthwiseConv2D)):
                continue
            kernel = _kernel(layer).numpy()
            sparsity = float(np.mean(kernel == 0))
            kept = self.target_sparsity + self._tolerance(kernel)
            is_changed = self.epochs or self.rewind is not None
            if layer.name not in names and sparsity and is_changed:
                raise InvalidArgumentError(
                    f"layer {layer.name!r} has {sparsity:.1%} zeros, which training "
                    "would fill; add it to Pruning.layers, or prune with epochs=0"
                )
            if layer.name in names and sparsity > kept:
                raise InvalidArgumentError(
                    f"layer {layer.name!r} has {sparsity:.1%} zeros already, more than "
                    f"the {self.target_sparsity:.1%} asked for; ask for more, or "
                    "exclude the layer"
                )

    def _tolerance(self, kernel: np.ndarray) -> float:
        """Returns 0.005, or half a unit where the kernel has too few for that."""
        return max(_TOLERANCE, 0.5 * float(np.prod(self.block_size)) / kernel.size)

    def _check(self, model: keras.Model, names: Sequence[str]) -> dict[str, float]:
        reached = {}
        for name in names:
            kernel = _kernel(model.get_layer(name)).numpy()
            reached[name] = float(np.mean(kernel == 0))
            tolerance = self._tolerance(kernel)
            if abs(reached[name] - self.target_sparsity) > tolerance + 1e-9:
                raise TrainingError(
                    f"pruning reached sparsity {reached[name]:.4f} in layer {name!r}, "
                    f"expected {self.target_sparsity:.4f} within {tolerance:.4f}; "
                    "give it more epochs, or exclude the layer"
                )
        return reached


def _kernel(layer: keras.layers.Layer) -> Any:
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return layer.depthwise_kernel if depthwise else layer.kernel


def _prune_once(wrapped: keras.Model) -> None:
    """Computes and applies each mask outside any training step."""
    for layer in wrapped.layers:
        if hasattr(layer, "pruning_obj"):
            layer.pruning_step.assign(1)  # m:n masks are made at step 1 only
            layer.pruning_obj.conditional_mask_update()
            layer.pruning_obj.weight_mask_op()


def _rewind(wrapped: keras.Model, earlier: keras.Model) -> None:
    """Gives all weights earlier values, but those that are masked."""
    for layer in wrapped.layers:
        is_masked = hasattr(layer, "pruning_obj")
        name = layer.layer.name if is_masked else layer.name
        layer.set_weights(earlier.get_layer(name).get_weights())
        if is_masked:
            layer.pruning_obj.weight_mask_op()


def _skipped(model: keras.Model, names: Sequence[str]) -> dict[str, str]:
    """Returns why layers with a kernel were left dense, by name."""
    reasons = {}
    for layer in model.layers:
        if layer.name in names or not layer.weights:
            continue
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            reasons[layer.name] = "depthwise kernels are pruned with depthwise=True"
        elif isinstance(layer, _PRUNABLE):
            reasons[layer.name] = "not chosen"
    return reasons
