"""Makes fashion_mnist_small.npz, the embedded part of Fashion-MNIST.

Run once, from Debian's package `dataset-fashion-mnist` or any folder with the four
IDX files: `python -m tfcompress.data.make_fashion_mnist_small [FOLDER]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tfcompress.data.fashion_mnist import DEBIAN_FOLDER, SMALL_FILE, read_idx_folder

SEED = 20170825
NUM_TRAIN_PER_CLASS = 500
NUM_TEST_PER_CLASS = 200


def balanced_indices(
    labels: np.ndarray, num_per_class: int, generator: np.random.Generator
) -> np.ndarray:
    """Returns sorted indices of `num_per_class` random images of every class."""
    chosen = [
        generator.permutation(np.flatnonzero(labels == label))[:num_per_class]
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(chosen))


def make(folder: Path, path: Path, seed: int = SEED) -> None:
    """Writes the balanced part of the data set in `folder` to `path`.

    The file holds x_train, y_train, x_test, y_test (uint8), the indices of the images
    in the full data set, and the seed that chose them.
    """
    (x_train, y_train), (x_test, y_test) = read_idx_folder(folder)
    generator = np.random.default_rng(seed)
    train = balanced_indices(y_train, NUM_TRAIN_PER_CLASS, generator)
    test = balanced_indices(y_test, NUM_TEST_PER_CLASS, generator)
    np.savez_compressed(
        path,
        x_train=x_train[train],
        y_train=y_train[train],
        x_test=x_test[test],
        y_test=y_test[test],
        train_indices=train.astype(np.int32),
        test_indices=test.astype(np.int32),
        seed=np.int64(seed),
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else DEBIAN_FOLDER, SMALL_FILE)
