"""Artifact: a .tflite file that was written, and what is known of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfcompress.export.audit import Audit
from tfcompress.profiling.profile import gzip_size


@dataclass(frozen=True)
class Artifact:
    """A .tflite file and its audit.

    Args:
      path: where it was written.
      sha256: hexadecimal digest of the file.
      size_bytes: of the file.
      gzip_bytes: of the file through gzip, level 9.
      quantization: `float32`, `float16`, `dynamic`, `int4`, `int8` or `int16x8`.
      audit: operators, what is still float, input and output.
      calibration_indices: training images that the activation ranges were taken
        from; empty where the export needed none.
    """

    path: Path
    sha256: str
    size_bytes: int
    gzip_bytes: int
    quantization: str
    audit: Audit
    calibration_indices: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        path: str | Path,
        content: bytes,
        quantization: str,
        audit: Audit,
        calibration_indices: tuple[int, ...] = (),
    ) -> Artifact:
        """Weighs and digests `content`, the bytes of the file at `path`."""
        return cls(
            path=Path(path),
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            gzip_bytes=gzip_size(content),
            quantization=quantization,
            audit=audit,
            calibration_indices=calibration_indices,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values, those of the audit among them."""
        fields = {name: getattr(self, name) for name in vars(self) if name != "audit"}
        return {
            **fields,
            "path": str(self.path),
            "calibration_indices": list(self.calibration_indices),
            **self.audit.to_dict(),
        }
