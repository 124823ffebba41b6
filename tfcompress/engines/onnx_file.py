"""A .tflite file as an ONNX file."""

from __future__ import annotations

from pathlib import Path

from tfcompress.child import call_in_child
from tfcompress.errors import ModelError

# The first whose DequantizeLinear has a scale a channel is 13; tf2onnx writes up to 18.
_OPSET = 17


def write_onnx(path: Path, target: Path) -> None:
    """Converts a .tflite file with tf2onnx, in a child process.

    Integers stay integers: each operator stands between a DequantizeLinear and a
    QuantizeLinear, which ONNX Runtime fuses into an operator of integers.

    Raises:
      ModelError: tf2onnx cannot convert it.
    """
    call_in_child(f"{__name__}:convert", str(path), str(target), subject=str(path))


def convert(path: str, target: str) -> None:
    """Does what `write_onnx` says, here; tf2onnx brings TensorFlow along."""
    import tf2onnx

    try:
        tf2onnx.convert.from_tflite(path, opset=_OPSET, output_path=target)
    except Exception as error:
        raise ModelError(
            f"tf2onnx cannot convert {path}: {type(error).__name__}: {error}; expected "
            "operators that ONNX has: compare the other engines"
        ) from error
