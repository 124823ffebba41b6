"""Robustness: accuracy of a model, and of its float baseline, on images that change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfcompress.data.calibration import class_balanced_indices
from tfcompress.errors import DataError, ModelError
from tfcompress.quality.accuracy import counted
from tfcompress.quality.inference import (
    answers,
    batch_size_for,
    name_of,
    open_model,
)
from tfcompress.quality.robustness.adversarial import ATTACKS
from tfcompress.quality.robustness.perturbations import (
    Perturbations,
    perturbed_batches,
)
from tfcompress.quality.robustness.result import Robustness, RobustnessRow

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset
    from tfcompress.training.progress import Progress


def robustness(
    model_or_path: Any,
    data: Dataset,
    baseline: Any = None,
    perturbations: Perturbations | None = None,
    progress: Progress | None = None,
) -> Robustness:
    """Measures how much accuracy is left when images are corrupted or attacked.

    Model and baseline see the same images, so that the difference is what compression
    did. Attacks follow the gradient of the baseline where that is a Keras model, else
    of the model; a .tflite file is tried on the images found so, as by somebody who has
    the Keras model alone. `plot_robustness` shows the result.

    Args:
      model_or_path: a live Keras model, or the path of a Keras or .tflite file.
      data: its test split is what is changed; `value_range` says what black and white
        are.
      baseline: what to compare with, usually the float model; like `model_or_path`.
      perturbations: which, how strong, on how many images; None takes all.
      progress: where to tell how far it is; None is silent.

    Raises:
      ModelError: a model cannot be read or run, does not fit the data, or has no
        gradient though attacks are asked for.
      DataError: the images do not suit a corruption.

    Example:
      >>> result = tfc.robustness("model.tflite", data, baseline=model)
      >>> print(result)
      >>> tfc.plot_robustness(result).savefig("robustness.png")

    References:
      Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common
      Corruptions and Perturbations, arXiv:1903.12261.
    """
    chosen = perturbations or Perturbations()
    given = [model_or_path] if baseline is None else [model_or_path, baseline]
    models = [open_model(each, data) for each in given]
    attacked = _attacked(models, chosen.attacks)
    if attacked is not None and chosen.attacks is None:
        chosen = replace(chosen, attacks=tuple(ATTACKS))
    _check_channels(chosen, data)
    if chosen.num_images is not None:
        indices = class_balanced_indices(
            data.test.labels, chosen.num_images, chosen.seed
        )
        data = replace(data, test=data.test.take(indices))
    top1 = _top1(models, data, chosen, attacked, progress)
    (clean, *rest), names = top1, [name_of(model) for model in models]
    return Robustness(
        model=names[0],
        baseline=None if baseline is None else names[1],
        attacked=None if attacked is None else name_of(attacked),
        num_images=len(data.test),
        seed=chosen.seed,
        top1=clean[0],
        baseline_top1=clean[1],
        rows=tuple(
            RobustnessRow(*condition, *pair)
            for condition, pair in zip(chosen.conditions, rest, strict=True)
        ),
    )


def _attacked(models: Sequence[Any], attacks: Sequence[str] | None) -> Any:
    """Returns the model whose gradient is followed; None where nothing is attacked."""
    keras_models = [model for model in models if not isinstance(model, Path)]
    if attacks == () or (attacks is None and not keras_models):
        return None
    if not keras_models:
        raise ModelError(
            f"attacks need a gradient, which {models[0]} has not; give the Keras model "
            "it was made from as baseline, or attacks=()"
        )
    return keras_models[-1]


def _check_channels(chosen: Perturbations, data: Dataset) -> None:
    channels = data.input_shape[2]
    if "jpeg" in chosen.corruptions and channels not in (1, 3):
        raise DataError(
            f"jpeg stores images of 1 or 3 channels, those of {data.name} have "
            f"{channels}; name the other corruptions"
        )


def _top1(
    models: Sequence[Any],
    data: Dataset,
    chosen: Perturbations,
    attacked: Any,
    progress: Progress | None,
) -> list[tuple[float, float | None]]:
    """Returns accuracy of model and baseline, unchanged first, then by condition."""
    conditions, size = chosen.conditions, batch_size_for(data.input_shape)
    samples = perturbed_batches(data, conditions, attacked, chosen.seed)
    if progress is not None:
        number = -(-len(data.test) // size) * (1 + len(conditions))
        samples = counted(
            samples, number, f"robustness of {name_of(models[0])}", progress
        )
    # All models go through the samples in step, so that none is made twice or kept.
    told, *streams = tee(samples, 1 + len(models))
    outputs = [
        answers(model, (sample.images for sample in stream), size)
        for model, stream in zip(models, streams, strict=True)
    ]
    right = np.zeros((1 + len(conditions), 2))
    for sample, *logits in zip(told, *outputs, strict=True):
        for which, each in enumerate(logits):
            right[sample.condition, which] += (each.argmax(1) == sample.labels).sum()
    return [
        (row[0], row[1] if len(models) > 1 else None)
        for row in (right / len(data.test)).tolist()
    ]
