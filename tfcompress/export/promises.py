"""Whether a file keeps what was promised of the weights of a model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import tf_keras as keras

from tfcompress.errors import ExportError
from tfcompress.export.audit import Audit, Kernel
from tfcompress.export.conversion import names_in_file
from tfcompress.quantization.kept_weights import Kept, KeptKernel, kept_kernels
from tfcompress.quantization.quantizers import WeightQuantizer

# A grouped convolution has the name of what was fused with it: BatchNorm or ReLU.
_MAX_FUSED = 2


def check_weights(model: keras.Model, audit: Audit) -> None:
    """Refuses a file with fewer zeros in a kernel, or more values, than the model.

    Warns of kernels with a promise that are not found in the file.

    Args:
      model: fake-quantized, as it was converted.
      audit: of the file, before its names were taken out.

    Raises:
      ExportError: names the layer and what was lost.
    """
    names = dict(zip(map(id, model.layers), names_in_file(model.layers), strict=True))
    kernels = {kernel.layer: kernel for kernel in audit.kernels}
    missing = []
    for kept in kept_kernels(model):
        name, promise = kept.wrapper.layer.name, _promise(kept)
        if not promise.counts.num_zeros and not promise.sharing:
            continue
        kernel = _find(kept, kernels, names)
        if kernel is None:
            missing.append(name)
        elif lost := promise.lost(kernel.counts):
            raise ExportError(
                f"the file lost {lost}, of layer {name!r} of "
                f"{model.name!r}; leave that layer out of Pruning or Clustering"
            )
    if missing:
        warnings.warn(
            f"zeros and shared values of {', '.join(missing)} in {model.name!r} were "
            "not checked in the file, which has no kernel of that name and size",
            stacklevel=2,
        )


def _promise(kept: KeptKernel) -> Kept:
    """Returns what the file has to keep of a kernel."""
    if kept.quantizer.sharing and not isinstance(kept.quantizer, WeightQuantizer):
        # The converter folds what scales channels into a kernel in float.
        return replace(kept.kept, sharing="channel")
    return kept.kept


def _find(
    kept: KeptKernel, kernels: dict[str, Kernel], names: dict[int, str]
) -> Kernel | None:
    """Returns the kernel of the file that a kernel of the model became."""
    for layer in _with_fused(kept.wrapper):
        kernel = kernels.get(names.get(id(layer), "").removeprefix("quant_"))
        if kernel and kernel.counts.num_weights == kept.kernel.shape.num_elements():
            return kernel
    return None


def _with_fused(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields a layer, and those that the runtime may compute together with it."""
    yield layer
    for _ in range(_MAX_FUSED):
        if len(layer.outbound_nodes) != 1:
            return
        layer = layer.outbound_nodes[0].layer
        yield layer
