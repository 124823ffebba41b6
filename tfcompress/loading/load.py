"""load_model and save_model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import tf_keras as keras

from tfcompress.errors import ModelError, TfcompressError
from tfcompress.loading.graph import rebuild
from tfcompress.loading.model_file import read_model_file
from tfcompress.loading.parts import CustomObjects
from tfcompress.storage import atomic_path


def load_model(source: Any, custom_objects: CustomObjects | None = None) -> keras.Model:
    """Returns the tf_keras model in a file, without running what the file says.

    Reads `.keras` (of tf_keras and of Keras 3) and legacy `.h5` files with Functional
    or Sequential models; a Sequential one comes back as Functional. Neither Keras'
    own loader nor any function that a file names is called: layers come from a list,
    weights are plain arrays.

    Args:
      source: path of the file, or a live model: one of tf_keras passes as it is, one
        of Keras 3 is rebuilt.
      custom_objects: layer classes and activation functions that the file names and
        that you trust, by name. A class is made by its `from_config`.

    Raises:
      ModelError: the file is missing, damaged, or uses what is not on the list.

    Example:
      >>> model = tfc.load_model("model.keras")
    """
    if isinstance(source, keras.Model):
        return source
    if not isinstance(source, (str, Path)):
        return _from_keras_3(source, custom_objects)
    path = Path(source)
    try:
        return rebuild(read_model_file(path), custom_objects or {})
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist; expected a model file.") from None
    except TfcompressError as error:
        raise ModelError(f"cannot load {path}: {error}") from error
    # Whatever a damaged file brings about deep in h5py, zipfile or Keras.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        message = f"cannot load {path}: {reason}; save the model again."
        raise ModelError(message) from error


def save_model(model: keras.Model, path: str | Path) -> None:
    """Writes a tf_keras model to a `.keras` file, whole or not at all.

    Keras' own `model.save` overwrites in place: where it fails, the old file is gone.

    Args:
      model: a tf_keras model; a QAT model of TF-MOT keeps its ranges.
      path: where to; has to end in `.keras`.

    Raises:
      WorkdirError: the file cannot be written; an old one is as it was.
    """
    if Path(path).suffix != ".keras":
        raise ModelError(f"cannot save to {path}: expected a name ending in .keras.")
    with atomic_path(path) as temporary:
        model.save(temporary, save_format="keras")


def _from_keras_3(model: Any, custom_objects: CustomObjects | None) -> keras.Model:
    if type(model).__module__.partition(".")[0] != "keras":
        raise ModelError(
            f"a {type(model).__name__} was given; expected a Keras model or the path "
            "of a .keras or .h5 file."
        )
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        return load_model(f"{folder}/model.keras", custom_objects)
