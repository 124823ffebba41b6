"""One interface to what a Keras model and a .tflite file answer, batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfcompress.data.model_fit import check_model_fits
from tfcompress.errors import ModelError
from tfcompress.loading import load_model
from tfcompress.profiling.litert import LITERT, Engine
from tfcompress.profiling.tflite_graph import is_tflite, read_tflite
from tfcompress.profiling.tflite_tensors import Tensor

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

_BATCH_VALUES = 256 * 1024


def open_model(model_or_path: Any, data: Dataset) -> Any:
    """Returns a live Keras model, or the `Path` of a .tflite file, that fits the data.

    Args:
      model_or_path: a live model of either Keras, or the path of a Keras or .tflite
        file.
      data: whose images it is to be shown.

    Raises:
      ModelError: it cannot be read, or does not fit.
    """
    if not isinstance(model_or_path, (str, os.PathLike)):
        check_model_fits(model_or_path, data)
        return model_or_path
    path = Path(model_or_path)
    if is_tflite(path):
        graph = read_tflite(path)[0]
        ports = SimpleNamespace(
            name=str(path),
            input_shape=_shape_of(graph.inputs),
            output_shape=_shape_of(graph.outputs),
        )
        check_model_fits(ports, data)
        return path
    model = load_model(path)
    check_model_fits(model, data)
    return model


def _shape_of(tensors: Sequence[Tensor]) -> Any:
    """Returns the shape of one tensor, or those of several, as Keras gives them."""
    shapes = [tensor.shape for tensor in tensors]
    return shapes[0] if len(shapes) == 1 else shapes


def name_of(opened: Any) -> str:
    """Returns what to call a model or file that `open_model` returned."""
    return opened.name if not isinstance(opened, Path) else str(opened)


def batch_size_for(input_shape: tuple[int, ...]) -> int:
    """Returns how many images make a batch of about a megabyte, at most 256.

    Larger ones leave the processor's cache.
    """
    return max(1, min(256, _BATCH_VALUES // int(np.prod(input_shape))))


def answers(
    opened: Any,
    batches: Iterable[npt.NDArray[np.float32]],
    batch_size: int,
    engine: Engine = LITERT,
) -> Iterator[npt.NDArray[np.float32]]:
    """Yields the real-valued outputs for each batch of images, as they are asked for.

    Args:
      opened: what `open_model` returned.
      batches: arrays of shape `(num_images, height, width, channels)`.
      batch_size: the most images in a batch.
      engine: runs a .tflite file; LiteRT does so on devices.

    Yields:
      An array of shape `(num_images, num_classes)` for each batch.

    Raises:
      ModelError: the file cannot be run, or outputs are NaN or infinite.
    """
    if isinstance(opened, Path):
        outputs = engine.run_batches(opened, batches, batch_size=batch_size)
    else:
        outputs = map(opened.predict_on_batch, batches)
    for output in outputs:
        broken = ~np.isfinite(output).all(axis=1)
        if broken.any():
            raise ModelError(
                f"{name_of(opened)} gives NaN or infinite outputs for {broken.sum()} "
                f"of {len(output)} images; expected numbers: look for NaN in its "
                "weights, or for sums beyond the range of float16"
            )
        yield output
