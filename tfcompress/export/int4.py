"""Weights of four bits, by the recipes of ai-edge-quantizer."""

from __future__ import annotations

import importlib.util

from tfcompress.errors import ExportError


def check_int4_available() -> None:
    """Raises ExportError if the package that makes int4 files is not installed."""
    if importlib.util.find_spec("ai_edge_quantizer") is None:
        raise ExportError(
            "cannot export int4: the package ai-edge-quantizer is not installed; run "
            "pip install 'tfcompress[int4]', or export dynamic"
        )


def with_int4_weights(content: bytes) -> bytes:
    """Returns a float32 file with kernels in int4 where the runtime computes with them.

    These are the kernels of CONV_2D and FULLY_CONNECTED, with a scale for each output
    channel and integers from -7 to 7. All else stays float, those of depthwise and
    transposed convolutions among it.

    Args:
      content: the bytes of a float32 file.

    Raises:
      ExportError: ai-edge-quantizer is not installed.
    """
    check_int4_available()
    from ai_edge_quantizer import quantizer, recipe

    quantized = quantizer.Quantizer(content, recipe.dynamic_wi4_afp32()).quantize(
        enable_progress_bar=False, enable_progress_report=False
    )
    return bytes(quantized.quantized_model)
