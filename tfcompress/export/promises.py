"""Whether a file keeps what was promised of the weights of a model."""

from __future__ import annotations

from collections.abc import Iterator

import tf_keras as keras

from tfcompress.errors import ExportError
from tfcompress.export.audit import Audit, Kernel
from tfcompress.export.conversion import names_in_file
from tfcompress.quantization.kept_weights import RoundedKernel, rounded_kernels

# A grouped convolution has the name of what was fused with it: BatchNorm or ReLU.
_MAX_FUSED = 2


def check_weights(model: keras.Model, audit: Audit) -> None:
    """Refuses a file with fewer zeros in a kernel, or more values, than the model.

    Args:
      model: fake-quantized, as it was converted.
      audit: of the file, before its names were taken out.

    Raises:
      ExportError: names the layer and what was lost.
    """
    names = dict(zip(map(id, model.layers), names_in_file(model.layers), strict=True))
    kernels = {kernel.layer: kernel for kernel in audit.kernels}
    for rounded in rounded_kernels(model):
        kernel = _find(rounded, kernels, names)
        if kernel and (lost := rounded.kept.lost(kernel.counts)):
            raise ExportError(
                f"the file lost {lost}, of layer {rounded.wrapper.layer.name!r} of "
                f"{model.name!r}; leave that layer out of Pruning or Clustering"
            )


def _find(
    rounded: RoundedKernel, kernels: dict[str, Kernel], names: dict[int, str]
) -> Kernel | None:
    """Returns the kernel of the file that a kernel of the model became."""
    for layer in _with_fused(rounded.wrapper):
        kernel = kernels.get(names.get(id(layer), "").removeprefix("quant_"))
        if kernel and kernel.counts.num_weights == rounded.kernel.shape.num_elements():
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
