"""How many weights the kernel of an operator has, and how many of them differ."""

from __future__ import annotations

import numpy as np

from tfcompress.profiling.tflite_tensors import Op
from tfcompress.quantization.shared_values import WeightCounts

# Which axis of an operator's kernel counts the output channels.
CHANNEL_AXES = {
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 0,
    "TRANSPOSE_CONV": 0,
}


def count_kernel(op: Op) -> WeightCounts | None:
    """Counts the kernel of an operator, as the file stores it.

    Returns:
      None where it has no kernel, or one that is computed, or stored as its non-zero
      blocks only.

    Raises:
      ValueError, ModelError: the kernel does not fit its shape.
    """
    axis = CHANNEL_AXES.get(op.name)
    kernel = op.inputs[1] if axis is not None and len(op.inputs) > 1 else None
    if axis is None or kernel is None or kernel.content is None or kernel.is_sparse:
        return None
    if not kernel.size or len(kernel.shape) <= axis:
        return None
    # Zeros are stored as the zero point, which is 0 but in files of old.
    zero = kernel.zero_points[0] if len(kernel.zero_points) else 0
    values = kernel.values().reshape(kernel.shape).astype(np.float32) - zero
    return WeightCounts.of(np.moveaxis(values, axis, -1), num_channel_axes=1)
