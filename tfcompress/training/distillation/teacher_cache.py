"""Teacher cache: a teacher's logits, computed once for each view of the images."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.data.views import Views
from tfcompress.errors import TrainingError
from tfcompress.run import Run, derive_seed
from tfcompress.storage import atomic_path
from tfcompress.training.layer_settings import layer_settings
from tfcompress.training.op_errors import data_error, reason

FOLDER = "teacher_logits"
_NUM_PROBES = 32
_LARGEST = float(np.finfo(np.float16).max)


def cached_logits(teacher: keras.Model, run: Run, num_views: int) -> Views:
    """Returns a teacher's logits for seeded views of the training images.

    They are float16, memory-mapped, in files of `run.workdir` that are named by a
    digest of teacher, data and augmentation. What is there already is read back, so
    the stages of a run share them.

    Args:
      teacher: takes images and returns logits `(batch, ...)`.
      run: data, folder and seed.
      num_views: 1 or more; without augmentation all views are one.

    Returns:
      Views, with a value of the teacher's output shape for each image.

    Raises:
      DataError: an image cannot be read any more.
      TrainingError: TensorFlow failed.
      WorkdirError: the logits cannot be written.
    """
    seed = derive_seed(run.seed, FOLDER)
    if run.data.augmentation.is_identity:
        num_views = 1
    shape = (len(run.data.train), *teacher.output_shape[1:])
    with _failures(teacher):
        folder = Path(run.workdir) / FOLDER / _digest(teacher, run, seed)
        paths = [folder / f"view_{view:02d}.npy" for view in range(num_views)]
        for view, path in enumerate(paths):
            if _read(path, shape) is None:
                if run.progress:
                    megabytes = num_views * _bytes_of(shape) / 1e6
                    run.progress.message(
                        f"computing the teacher's logits, view {view + 1} of "
                        f"{num_views}, {megabytes:,.1f} MB in all"
                    )
                batches = run.data.view_batches(seed, view)
                _write(path, shape, teacher, batches)
    values = [_read(path, shape) for path in paths]
    return Views(seed, tuple(value for value in values if value is not None))


def _digest(teacher: keras.Model, run: Run, seed: int) -> str:
    """Returns a name for all that the logits depend on."""
    digest = hashlib.sha256(f"{seed} {run.data.fingerprint}".encode())
    digest.update(layer_settings(teacher).encode())
    for weight in teacher.get_weights():
        digest.update(weight.tobytes())
    # What the teacher makes of some images tells how this version of tfcompress
    # augments, and what layers do that do not tell their settings.
    images, _ = next(iter(run.data.view_batches(seed, 0, _NUM_PROBES)))
    digest.update(teacher(images, training=False).numpy().tobytes())
    return digest.hexdigest()[:16]


def _bytes_of(shape: tuple[int, ...]) -> int:
    return math.prod(shape) * np.dtype(np.float16).itemsize


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Returns the array of a file, or None where there is no such whole file."""
    # Damage shows as one of several unrelated errors, EOFError among them.
    try:
        values = np.load(path, mmap_mode="r")
    except Exception:
        return None
    is_whole = (values.shape, values.dtype) == (shape, np.float16)
    return values if is_whole and values.flags.c_contiguous else None


def _write(
    path: Path, shape: tuple[int, ...], teacher: keras.Model, batches: tf.data.Dataset
) -> None:
    @tf.function(reduce_retracing=True)
    def answer(images: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(teacher(images, training=False), tf.float32)
        # Where even the largest float16 is passed, softmax has long been 0 or 1.
        return tf.cast(tf.clip_by_value(logits, -_LARGEST, _LARGEST), tf.float16)

    dtype = np.dtype(np.float16).str
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    # Not through a memory map: a full disk would kill the process.
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for images, _ in batches:
            stream.write(answer(images).numpy().tobytes())


@contextmanager
def _failures(teacher: keras.Model) -> Iterator[None]:
    """Turns errors of TensorFlow into ours."""
    try:
        yield
    except tf.errors.OpError as error:
        raise data_error(error) or TrainingError(
            f"TensorFlow stopped while the teacher {teacher.name!r} answered: "
            f"{reason(error)}; run the same command again."
        ) from error
