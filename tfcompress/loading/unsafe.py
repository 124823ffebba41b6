"""Keras' own loaders, which run what a file says: for files that the user trusts."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras as keras_3
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading.listed import listed_class

# Raw operations, which become layers of the list.
_RAW = ("TFOpLambda", "SlicingOpLambda", "CustomScaleLayer")


def load_unsafe(path: str | Path) -> Any:
    """Returns the live model that Keras makes of a file, running any code in it.

    Args:
      path: a `.keras` or `.h5` file or a SavedModel folder; the Keras that wrote it
        reads it.

    Raises:
      ModelError: Keras cannot read it.
    """
    path = Path(path)
    if not path.exists():
        raise ModelError.not_a_file(path)
    library = keras_3 if _keras_version(path).startswith("3") else keras
    try:
        return library.models.load_model(path, compile=False, safe_mode=False)
    # A stranger's code may raise whatever it likes.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"cannot load {path}: Keras itself says: {reason}; is the code of its own "
            "classes where Python finds it (PYTHONPATH)?"
        ) from error


def trust_classes(path: str | Path) -> None:
    """Lets this process load what Keras itself can load of a file, such as Lambda.

    The classes of its layers that are not on the list, those of tf_keras too, are
    registered under the names that the file has for them, so `load_model` takes them
    from then on, and in files made from this one.

    Raises:
      ModelError: Keras cannot read the file, or its layers are Keras 3's.
    """
    for layer in _layers(load_unsafe(path)):
        kind = type(layer)
        if kind.__name__ in _RAW or listed_class(kind.__module__, kind.__name__, None):
            continue
        if not isinstance(layer, keras.layers.Layer):
            raise ModelError(
                f"cannot load {path}: layer {layer.name} is a {kind.__name__} of Keras "
                "3, whose code does not run in tf_keras; replace it by plain layers"
            )
        keras.utils.get_custom_objects()[kind.__name__] = kind


def _layers(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer


def _keras_version(path: Path) -> str:
    """Returns the version that a file names; the empty text where there is none."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read("metadata.json"))["keras_version"])
        if path.is_file():
            with h5py.File(path, "r") as hdf5:
                version = hdf5.attrs["keras_version"]
                return version.decode() if isinstance(version, bytes) else str(version)
    except (OSError, KeyError, TypeError, ValueError):
        pass
    return ""
