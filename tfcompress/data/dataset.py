"""Dataset: train, validation and test images as deterministic tf.data streams."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tfcompress.data.augmentation import Augmentation
from tfcompress.data.calibration import (
    CalibrationSample,
    check_enough,
    class_balanced_indices,
)
from tfcompress.data.image_files import ImageFiles
from tfcompress.data.split import Split
from tfcompress.data.views import Views
from tfcompress.errors import InvalidArgumentError

Batch = tuple[tf.Tensor, tf.Tensor]

_MAX_SKIPPED_NAMES = 20


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled set of images of one shape; made by `load` and `from_arrays`.

    Attributes:
      name: what the report calls it.
      train: what is trained and calibrated on.
      validation: what choices (early stopping, search) are made on.
      test: what every reported accuracy is measured on.
      input_shape: (height, width, channels).
      num_classes: labels are in [0, num_classes).
      class_names: one name a class.
      augmentation: what `train_batches` does to images.
      value_range: what black and white of uint8 pixels are to the model.
      skipped: files left out because they are damaged (`skip_corrupt=True`).

    Example:
      >>> data = tfc.data.load("fashion_mnist_small")
      >>> images, labels = next(iter(data.train_batches(batch_size=128, seed=0)))
    """

    name: str
    train: Split
    validation: Split
    test: Split
    input_shape: tuple[int, int, int]
    num_classes: int
    class_names: tuple[str, ...]
    augmentation: Augmentation = field(default_factory=Augmentation)
    value_range: tuple[float, float] = (0.0, 1.0)
    skipped: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that training sees: every split, and the augmentation.

        Images in memory count by their bytes; those on disk by class folder, name,
        size and time of change, as they are when it is first asked for.

        Raises:
          DataError: a file is gone.
        """
        digest = hashlib.sha256(repr(self.augmentation).encode())
        if self.value_range != (0.0, 1.0):
            digest.update(repr(self.value_range).encode())
        for split in (self.train, self.validation, self.test):
            digest.update(split.digest())
        return digest.hexdigest()

    def with_classes(self, classes: Sequence[int]) -> Dataset:
        """Returns the data set with these classes alone.

        Args:
          classes: labels to keep; they are numbered anew, from 0 in this order.

        Raises:
          InvalidArgumentError: fewer than two, one twice, or one that does not exist.
        """
        known = range(self.num_classes)
        if len(set(classes)) < max(2, len(classes)) or not set(classes) <= set(known):
            raise InvalidArgumentError(
                f"classes={classes!r} are not two or more different labels of "
                f"{self.name!r}, which are 0 to {self.num_classes - 1}."
            )
        new_labels = np.full(self.num_classes, -1)
        new_labels[list(classes)] = np.arange(len(classes))
        parts: dict[str, Any] = {}
        for key in ("train", "validation", "test"):
            part: Split = getattr(self, key)
            chosen = part.take(np.flatnonzero(np.isin(part.labels, classes)))
            parts[key] = Split(chosen.images, new_labels[chosen.labels])
        return replace(
            self,
            num_classes=len(classes),
            class_names=tuple(self.class_names[label] for label in classes),
            **parts,
        )

    def limited(
        self, num_train: int | None = None, num_test: int | None = None, seed: int = 0
    ) -> Dataset:
        """Returns the data set with class-balanced parts of train and test.

        Args:
          num_train: training images to keep, validation not counted; None keeps all.
          num_test: test images to keep; None keeps all.
          seed: of the choice.

        Raises:
          InvalidArgumentError: a number is not from 1.
        """
        limits = {"train": num_train, "test": num_test}
        kept: dict[str, Any] = {}
        for key, number in limits.items():
            if number is not None:
                part: Split = getattr(self, key)
                chosen = class_balanced_indices(
                    part.labels, _positive(f"num_{key}", number), seed
                )
                kept[key] = part.take(chosen)
        return replace(self, **kept)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Returns the number of training batches an epoch; the last may be smaller."""
        return -(-len(self.train) // _positive("batch_size", batch_size))

    def train_batches(
        self,
        batch_size: int,
        seed: int,
        first_epoch: int = 0,
        views: Views | None = None,
    ) -> tf.data.Dataset:
        """Returns shuffled, augmented batches of one epoch after another, endlessly.

        Stateless: the order of epoch `e`, and what augmentation does to the image at
        index `i`, depend on `(seed, e)` and `(seed, e, i)` alone. A run resumed at
        epoch `e` sees what it would have seen, whatever the batch size was.

        Args:
          batch_size: images a batch; the last of an epoch may have fewer.
          seed: of order and augmentation.
          first_epoch: the epoch to start at.
          views: epoch `e` shows view `e` mod their number, in place of ever new ones,
            and each image comes with its value.

        Returns:
          tf.data of float32 (batch, height, width, channels), in `value_range` unless
          the arrays were floats, and int32 (batch,). With `views`, of
          `((images, values), labels)`.
        """
        steps = self.steps_per_epoch(batch_size)
        size = len(self.train)
        read = self._reader(self.train)

        def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
            order_seed = tf.random.split([tf.cast(seed, tf.int64), epoch], 2)[0]
            order = tf.random.experimental.stateless_shuffle(tf.range(size), order_seed)
            view = epoch % len(views.values) if views else epoch
            noise = self._noise(views.seed if views else seed, view)

            def batch(step: tf.Tensor) -> tuple[tf.Tensor, ...]:
                indices = order[step * batch_size : (step + 1) * batch_size]
                return indices, tf.gather(noise, indices), view

            return tf.data.Dataset.range(steps).map(batch)

        def see(indices: tf.Tensor, noise: tf.Tensor, view: tf.Tensor) -> Any:
            images, labels = read(indices, noise)
            return (images, views.read(view, indices)) if views else images, labels

        epochs = tf.data.Dataset.counter(first_epoch).flat_map(epoch_batches)
        return _parallel(epochs, see)

    def view_batches(
        self, seed: int, view: int, batch_size: int = 256
    ) -> tf.data.Dataset:
        """Returns one augmented view of all training images once, in order.

        It is what `train_batches` shows of `Views` of this seed.

        Returns:
          tf.data of float32 (batch, height, width, channels) and int32 (batch,).
        """
        noise = self._noise(seed, tf.constant(view, tf.int64))
        indices = tf.data.Dataset.range(len(self.train), output_type=tf.int32)
        batches = tf.data.Dataset.zip(
            indices, tf.data.Dataset.from_tensor_slices(noise)
        ).batch(batch_size)
        return _parallel(batches, self._reader(self.train))

    def batches(self, split: str = "test", batch_size: int = 256) -> tf.data.Dataset:
        """Returns all of a split once, in order, without augmentation.

        Args:
          split: "train", "validation" or "test".
          batch_size: images a batch; the last may have fewer.

        Returns:
          tf.data of float32 (batch, height, width, channels) and int32 (batch,).

        Raises:
          InvalidArgumentError: there is no such split.
        """
        if split not in ("train", "validation", "test"):
            raise InvalidArgumentError(
                f"There is no split {split!r}; give 'train', 'validation' or 'test'."
            )
        part: Split = getattr(self, split)
        indices = tf.data.Dataset.range(len(part), output_type=tf.int32)
        batched = indices.batch(_positive("batch_size", batch_size))
        return _parallel(batched, self._reader(part))

    def calibration(self, num_samples: int = 256, seed: int = 0) -> CalibrationSample:
        """Returns a class-balanced sample of the training images.

        Args:
          num_samples: how many; all of them if there are fewer.
          seed: of the choice.

        Raises:
          DataError: there are fewer than asked for, and fewer than 8.
        """
        check_enough(self.name, len(self.train), _positive("num_samples", num_samples))
        indices = class_balanced_indices(self.train.labels, num_samples, seed)
        images, _ = self._reader(self.train)(tf.constant(indices, tf.int32))
        return CalibrationSample(tuple(indices.tolist()), images.numpy())

    def summary(self) -> dict[str, Any]:
        """Returns the data row of the report: name, counts, shape, files left out."""
        left_out = {
            "skipped": list(self.skipped[:_MAX_SKIPPED_NAMES]),
            "num_skipped": len(self.skipped),
        }
        return {
            "name": self.name,
            "num_train": len(self.train),
            "num_validation": len(self.validation),
            "num_test": len(self.test),
            "input_shape": list(self.input_shape),
            "num_classes": self.num_classes,
            **(left_out if self.skipped else {}),
        }

    def _noise(self, seed: int, view: tf.Tensor) -> tf.Tensor:
        """Returns what each training image is augmented by in a view, a row each."""
        noise_seed = tf.random.split([tf.cast(seed, tf.int64), view], 2)[1]
        draws = 0 if self.augmentation.is_identity else Augmentation.num_draws
        return tf.random.stateless_uniform([len(self.train), draws], noise_seed)

    def _reader(self, split: Split) -> Callable[..., Batch]:
        """Returns a function from indices, and noise to augment by, to a batch."""
        labels = tf.constant(split.labels, tf.int32)
        images = split.images
        if isinstance(images, np.ndarray):
            images = tf.constant(images)

        low, high = self.value_range

        def read(indices: tf.Tensor, noise: tf.Tensor | None = None) -> Batch:
            if isinstance(images, ImageFiles):
                batch = tf.numpy_function(images.read, [indices], tf.uint8)
                batch.set_shape([None, *self.input_shape])
            else:
                batch = tf.gather(images, indices)
            is_pixels = batch.dtype == tf.uint8
            if is_pixels:
                batch = tf.cast(batch, tf.float32) / 255.0
            if noise is not None and not self.augmentation.is_identity:
                batch = self.augmentation(batch, noise)
            if is_pixels and (low, high) != (0.0, 1.0):
                batch = batch * (high - low) + low
            return batch, tf.gather(labels, indices)

        return read


def _parallel(
    batches: tf.data.Dataset, function: Callable[..., Batch]
) -> tf.data.Dataset:
    """Maps on all cores, keeping the order, and stays ahead of the reader."""
    batches = batches.map(
        function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return batches.prefetch(tf.data.AUTOTUNE)


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"{name}={value!r} is not a whole number from 1.")
    return value
