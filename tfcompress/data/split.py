"""Split: images and their class ids, as one part of a data set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from tfcompress.data.calibration import held_out_indices
from tfcompress.data.image_files import ImageFiles


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their class ids.

    Attributes:
      images: uint8 or float32 (num_examples, height, width, channels), or
        `ImageFiles`, decoded when they are read.
      labels: int64 (num_examples,).
    """

    images: np.ndarray | ImageFiles
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> Split:
        """Returns the split of these examples, in this order."""
        return Split(self.images[indices], self.labels[indices])

    def divide(self, fraction: float, seed: int) -> tuple[Split, Split]:
        """Returns what stays and the same fraction of every class, held out."""
        held_out = held_out_indices(self.labels, fraction, seed)
        kept = np.setdiff1d(np.arange(len(self)), held_out)
        return self.take(kept), self.take(held_out)

    def digest(self) -> bytes:
        """Returns the SHA-256 of labels and images, of files as `ImageFiles` says."""
        form = (self.images.dtype, self.images.shape, self.labels.dtype)
        digest = hashlib.sha256(repr(form).encode())
        digest.update(np.ascontiguousarray(self.labels).data)
        if isinstance(self.images, ImageFiles):
            digest.update(self.images.identity())
        else:
            digest.update(np.ascontiguousarray(self.images).data)
        return digest.digest()
