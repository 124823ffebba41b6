"""What a report says of the baseline and of the artifact: measured once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from tfcompress.profiling import profile
from tfcompress.profiling.latency import measure_latency
from tfcompress.quality.accuracy import accuracy, agreement

if TYPE_CHECKING:
    import tf_keras as keras

    from tfcompress.export import Artifact

Array = npt.NDArray[Any]


def baseline_facts(
    model: keras.Model, artifact: Artifact, logits: Array, labels: Array
) -> dict[str, Any]:
    """Returns the report's `baseline`.

    Args:
      model: before compression.
      artifact: its float32 `.tflite` file.
      logits: of that file, for the test images.
      labels: of the test images.
    """
    totals = profile(model).totals
    return {
        **accuracy(logits, labels).to_dict(),
        "params": totals.params,
        "macs": totals.macs,
        "tflite": {
            "size_bytes": artifact.size_bytes,
            "gzip_bytes": artifact.gzip_bytes,
            "latency_ms": measure_latency(artifact.path).to_dict(),
        },
    }


def artifact_facts(
    artifact: Artifact, logits: Array, labels: Array, keras_logits: Array
) -> dict[str, Any]:
    """Returns the report's `artifact`.

    Args:
      artifact: the compressed file.
      logits: of that file, for the test images.
      labels: of the test images.
      keras_logits: of the Keras model that it was made from.
    """
    totals = profile(artifact.path, latency=False).totals
    return {
        "path": artifact.path.name,
        "sha256": artifact.sha256,
        "quantization": artifact.quantization,
        **accuracy(logits, labels).to_dict(),
        "keras_agreement": agreement(keras_logits, logits),
        "size_bytes": artifact.size_bytes,
        "gzip_bytes": artifact.gzip_bytes,
        "macs": totals.macs,
        **artifact.audit.to_dict(),
        "calibration_indices": list(artifact.calibration_indices),
        "latency_ms": measure_latency(artifact.path).to_dict(),
        "peak_memory_bytes": totals.peak_memory_bytes,
    }
