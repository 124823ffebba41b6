"""The input and output of a .tflite file, and values for them as it stores them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.errors import ModelError
from tfcompress.export.audit import Port, audit_graphs
from tfcompress.field_types import check_seed
from tfcompress.profiling.tflite_graph import read_tflite


def single_ports(path: str | Path) -> tuple[Port, Port]:
    """Returns the input and the output of a file that has one of each.

    Raises:
      ModelError: the file cannot be read or is damaged, or has several.
    """
    graphs = read_tflite(path)
    counts = len(graphs[0].inputs), len(graphs[0].outputs)
    if counts != (1, 1):
        raise ModelError(
            f"{path} has {counts[0]} inputs and {counts[1]} outputs; expected 1 of each"
        )
    audit = audit_graphs(graphs)
    return audit.input, audit.output


def random_values(port: Port, num: int, seed: int) -> npt.NDArray[Any]:
    """Returns `num` random values of a port, which fill the range of its type."""
    check_seed(seed)
    random = np.random.default_rng(seed)
    shape, dtype = (num, *port.shape), np.dtype(port.dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return random.random(shape).astype(dtype)


def stored_values(values: npt.NDArray[Any], port: Port) -> npt.NDArray[Any]:
    """Returns real values as a port stores them."""
    dtype = np.dtype(port.dtype)
    if port.scale is None or port.zero_point is None:
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    steps = np.rint(values / np.float32(port.scale)) + port.zero_point
    clipped: npt.NDArray[Any] = np.clip(steps, limits.min, limits.max)
    return clipped.astype(dtype)
