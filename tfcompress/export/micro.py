"""A check that a .tflite file runs on microcontrollers."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.export.artifact import Artifact
from tfcompress.export.ports import random_values, single_ports
from tfcompress.profiling.stored_values import micro_outputs, reference_outputs


@dataclass(frozen=True)
class MicroCheck:
    """What TensorFlow Lite Micro made of a file.

    Args:
      arena_bytes: memory for tensors and bookkeeping that the model takes besides
        the file itself; on a board with 32-bit pointers it takes somewhat less.
      max_difference: largest difference of its outputs to those of LiteRT's reference
        kernels, in steps of the output.
      num_inputs: how many inputs were tried.
    """

    arena_bytes: int
    max_difference: float
    num_inputs: int


def check_micro(
    model: str | Path | Artifact, num_inputs: int = 8, seed: int = 0
) -> MicroCheck:
    """Runs a .tflite file in TensorFlow Lite Micro, on this machine.

    Args:
      model: the file, of one input and one output.
      num_inputs: how many random inputs to compare outputs on.
      seed: chooses them.

    Returns:
      The bytes of arena and the largest difference; above one step something is
      wrong.

    Raises:
      InvalidArgumentError: `num_inputs` is below 1.
      ModelError: the package `tflite-micro` is not installed, the file is damaged, or
        has operators that microcontrollers have no kernels for.

    Example:
      >>> tfc.check_micro("model.tflite").arena_bytes
      11104
    """
    if num_inputs < 1:
        raise InvalidArgumentError(
            f"num_inputs is {num_inputs}; expected at least 1 input to try"
        )
    source = model.path if isinstance(model, Artifact) else model
    taken, _ = single_ports(source)
    path = Path(source)
    if importlib.util.find_spec("tflite_micro") is None:
        raise ModelError(
            f"cannot run {path} in TensorFlow Lite Micro: the package tflite-micro is "
            "not installed; run pip install 'tfcompress[micro]'"
        )
    inputs = random_values(taken, num_inputs, seed)
    outputs, arena_bytes = micro_outputs(path, inputs)
    expected = reference_outputs(path, inputs)
    difference = np.subtract(outputs, expected, dtype=np.float64)
    return MicroCheck(arena_bytes, float(np.abs(difference).max()), num_inputs)
