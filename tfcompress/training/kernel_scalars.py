"""What TensorBoard shows of kernels in which training keeps zeros or few values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tf_keras as keras
from tensorflow_model_optimization.python.core.clustering.keras.cluster_wrapper import (
    ClusterWeights,
)
from tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper import (
    PruneLowMagnitude,
)

from tfcompress.quantization.kept_weights import kept_kernels
from tfcompress.quantization.shared_values import WeightCounts


class _Kernel(NamedTuple):
    """A kernel as its layer computes with it, and what training keeps of it."""

    layer: str
    values: npt.NDArray[np.float32]
    keeps_zeros: bool
    is_shared: bool = False
    num_channel_axes: int = 0


def kernel_scalars(model: keras.Model) -> dict[str, float]:
    """Returns how many zeros and values the kernels have that a model computes with.

    Args:
      model: a model under training, with the wrappers of its stage; at the end of an
        epoch, after validation.

    Returns:
      By tag: `sparsity/LAYER`, the share of zeros, where training makes or keeps them;
      `clusters/LAYER`, the number of different values, where weights share a few (in
      the channel that has most, where each has its own; in the kernel that has most,
      where a layer has several).
    """
    clusters: dict[str, float] = {}
    # A recurrent layer has two kernels, each with a mask of its own.
    num_zeros: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for kernel in _kernels(model):
        if kernel.keeps_zeros:
            num_zeros[kernel.layer] += int(np.sum(kernel.values == 0))
            sizes[kernel.layer] += kernel.values.size
        if kernel.is_shared:
            counts = WeightCounts.of(kernel.values, kernel.num_channel_axes)
            clusters[kernel.layer] = max(
                counts.num_channel_values, clusters.get(kernel.layer, 0)
            )
    sparsities = {f"sparsity/{name}": num_zeros[name] / sizes[name] for name in sizes}
    return sparsities | {f"clusters/{name}": clusters[name] for name in clusters}


def _kernels(model: keras.Model) -> Iterator[_Kernel]:
    for layer in model.layers:
        if isinstance(layer, PruneLowMagnitude):
            for kernel, mask, _ in layer.pruning_vars:
                yield _Kernel(layer.layer.name, (kernel * mask).numpy(), True)
        elif isinstance(layer, ClusterWeights):
            for name, kernel in layer.original_clusterable_weights.items():
                # As the last batch of the validation was computed with.
                values = layer.clustering_algorithms[name].get_clustered_weight(
                    layer.pulling_indices[name], kernel
                )
                keeps_zeros = layer.preserve_sparsity
                axes = int(layer.cluster_per_channel)
                name = layer.layer.name
                yield _Kernel(name, values.numpy(), keeps_zeros, True, axes)
    for kept in kept_kernels(model):
        keeper = kept.quantizer
        yield _Kernel(
            kept.wrapper.layer.name,
            keeper(kept.kernel, False, kept.weights).numpy(),
            keeper.keep_zeros,
            keeper.sharing is not None,
            keeper.num_channel_axes if keeper.sharing == "channel" else 0,
        )
