"""What later stages and the file must not lose of a kernel: zeros, and few values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_wrapper,
)

from tfcompress.errors import TrainingError
from tfcompress.quantization.operators import kernel_of
from tfcompress.quantization.quantizers import WeightKeeper
from tfcompress.quantization.shared_values import Sharing, WeightCounts, find_sharing


@dataclass(frozen=True)
class Kept:
    """What must be kept of one kernel.

    Args:
      counts: its zeros and values, of which there may later be more and fewer.
      sharing: within what its weights share values, if they do.
    """

    counts: WeightCounts
    sharing: Sharing | None

    def lost(self, later: WeightCounts) -> str:
        """Returns what of it a kernel with these counts has not; nothing if all."""
        return self.counts.lost(later, self.sharing)


class KeptKernel(NamedTuple):
    """A kernel of a fake-quantized model: the variable and what keeps or rounds it."""

    wrapper: quantize_wrapper.QuantizeWrapper
    kernel: tf.Variable
    quantizer: WeightKeeper
    weights: dict[str, tf.Variable]

    @property
    def kept(self) -> Kept:
        """What of it has to be in the file."""
        axes = self.quantizer.num_channel_axes
        counts = WeightCounts.of(self.kernel.numpy(), axes)
        return Kept(counts, self.quantizer.sharing)


def kept_kernels(model: keras.Model) -> Iterator[KeptKernel]:
    """Yields every kernel of a model that `fake_quantize` made."""
    for layer in model.layers:
        if isinstance(layer, quantize_wrapper.QuantizeWrapper):
            for kernel, quantizer, weights in layer._weight_vars:
                if isinstance(quantizer, WeightKeeper):
                    yield KeptKernel(layer, kernel, quantizer, weights)


def kept_weights(model: keras.Model) -> dict[str, Kept]:
    """Returns what must be kept of each layer with zeros or few values, by name.

    Args:
      model: a canonical model.
    """
    kept = {}
    for layer in model.layers:
        if found := kernel_of(layer):
            attribute, axes = found
            kernel = getattr(layer, attribute).numpy()
            sharing = find_sharing(kernel, axes)
            counts = WeightCounts.of(kernel, axes)
            # Zeros only are how a layer may begin; training is what they wait for.
            if sharing or 0 < counts.num_zeros < counts.num_weights:
                kept[layer.name] = Kept(counts, sharing)
    return kept


def share_values(model: keras.Model) -> None:
    """Makes kernels hold, in place, the shared values that they compute with."""
    for _, kernel, quantizer, weights in kept_kernels(model):
        kernel.assign(quantizer.shared(kernel, weights))


def check_kept(model: keras.Model, kept: Mapping[str, Kept], cause: str) -> None:
    """Refuses a fake-quantized model that lost something that had to be kept.

    Args:
      model: what `fake_quantize` made.
      kept: by name of the layer.
      cause: what it was lost by, and a way to mend it.

    Raises:
      TrainingError: names the layer, and what was lost.
    """
    for rounded in kept_kernels(model):
        name = rounded.wrapper.layer.name
        if name in kept and (lost := kept[name].lost(rounded.kept.counts)):
            raise TrainingError(f"layer {name!r} lost {lost}, by {cause}")
