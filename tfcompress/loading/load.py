"""load_model, load and save_model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tf_keras as keras

from tfcompress.errors import ModelError, TfcompressError
from tfcompress.loading import weights
from tfcompress.loading.agreement import check_agreement
from tfcompress.loading.architecture import Architecture, read_architecture
from tfcompress.loading.build import (
    DEFAULT_MAX_BYTES,
    at_most,
    build_layers,
    check_activations,
)
from tfcompress.loading.custom_objects import CustomObjects, check_custom_objects
from tfcompress.loading.graph import flatten, remove_unused
from tfcompress.loading.live import (
    check_live,
    config_of,
    flat_layers,
    is_flat,
    is_quantized,
    own_parts,
)
from tfcompress.loading.model_file import read_model_file
from tfcompress.loading.original import original_of
from tfcompress.loading.parts import Maker
from tfcompress.loading.saved_model import read_saved_model
from tfcompress.rewriting.canonical import canonicalize
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.float32 import float32_policy
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.keras_errors import first_line
from tfcompress.storage import atomic_path, file_path

_NOT_ASKED = "check_outputs is off"
_NO_ORIGINAL = "no original could be made of listed layers alone"


class Loaded(NamedTuple):
    """A model and what was done to it while it was loaded.

    Attributes:
      model: the canonical model.
      changes: one for each layer that is not what the source has.
      unchecked: why the outputs were not compared with the original's; None if they
        were, or if the model is the source itself.
    """

    model: keras.Model
    changes: tuple[Change, ...] = ()
    unchecked: str | None = None


def load_model(
    source: Any,
    custom_objects: CustomObjects | None = None,
    *,
    check_outputs: bool = True,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> keras.Model:
    """Returns any Keras model as a flat tf_keras model of plain layers.

    Reads `.keras` and legacy `.h5` files of tf_keras and of Keras 3, and SavedModel
    folders that tf_keras wrote, with Functional or Sequential models, nested ones too.
    Neither Keras' own loader nor any function that a file names is called: layers come
    from a list, weights are plain arrays. Raw operations become layers.

    Args:
      source: path of the file or folder, or a live model of either Keras. A tf_keras
        model that needs no change is returned itself.
      custom_objects: layer classes and activation functions that the source names and
        that you trust, by name. A class is made by its `from_config`; it has to be one
        of tf_keras. Classes registered in this process are known, too.
      check_outputs: whether the outputs are compared with the original's, where this
        can be made without running anything of the file; a warning tells where not.
        Layers of `custom_objects` are made of the same class in both.
      max_bytes: that the weights and the outputs of all layers for one image may take.

    Returns:
      A model that computes what the source does: to 1e-5 of the largest output, where
      that was compared.

    Raises:
      ModelError: the source is missing, damaged, too large, computes something else
        when rebuilt, or uses what is not on the list.

    Example:
      >>> model = tfc.load_model("model.keras")
    """
    loaded = load(
        source, custom_objects, check_outputs=check_outputs, max_bytes=max_bytes
    )
    if loaded.unchecked == _NO_ORIGINAL:
        warnings.warn(
            f"outputs were not compared with those of {source}: {_NO_ORIGINAL}; "
            "compare some of them yourself, or give the live model",
            stacklevel=2,
        )
    return loaded.model


def load(
    source: Any,
    custom_objects: CustomObjects | None = None,
    *,
    check_outputs: bool = True,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Loaded:
    """Does what `load_model` does, and tells what was changed.

    Args:
      source: see `load_model`.
      custom_objects: see `load_model`.
      check_outputs: see `load_model`.
      max_bytes: see `load_model`.

    Raises:
      ModelError: see `load_model`.
    """
    is_path = isinstance(source, (str, Path))
    name = str(source) if is_path else str(getattr(source, "name", "it"))
    if is_path and not name:
        raise ModelError.not_a_file(name)
    try:
        read = _from_path if is_path else _from_live
        trusted = check_custom_objects(custom_objects)
        with float32_policy():
            return read(source, trusted, check_outputs, max_bytes)
    except FileNotFoundError:
        raise ModelError.not_a_file(name) from None
    except TfcompressError as error:
        raise ModelError(_line(f"cannot load {name}: {error}")) from error
    except RecursionError:
        raise ModelError(
            _line(f"cannot load {name}: it is nested too deep; do not trust it.")
        ) from None
    # Whatever a damaged file brings about deep in h5py, zipfile or Keras.
    except Exception as error:
        message = f"cannot load {name}: {first_line(error)}; save the model again."
        raise ModelError(_line(message)) from error


def save_model(model: keras.Model, path: str | Path) -> None:
    """Writes a tf_keras model to a `.keras` file, whole or not at all.

    Keras' own `model.save` overwrites in place: where it fails, the old file is gone.

    Args:
      model: a tf_keras model; a QAT model of TF-MOT keeps its ranges.
      path: where to; has to end in `.keras`.

    Raises:
      WorkdirError: the file cannot be written; an old one is as it was.
    """
    if file_path(path).suffix != ".keras":
        raise ModelError(f"cannot save to {path}: expected a name ending in .keras.")
    with atomic_path(path) as temporary:
        model.save(temporary, save_format="keras")


def _from_path(
    source: str | Path, trusted: CustomObjects, check_outputs: bool, max_bytes: int
) -> Loaded:
    path = Path(source)
    read = read_saved_model if path.is_dir() else read_model_file
    file = read(path, max_bytes)

    def set_weights(architecture: Architecture) -> None:
        if file.by_path is not None:
            weights.set_by_path(architecture, file.by_path, file.keras_3)
        elif file.by_name is not None:
            weights.set_by_name(architecture, file.by_name)
        else:
            weights.set_by_index(architecture, file.by_index or {})

    maker = Maker(trusted, file.keras_3)
    loaded = _assemble(file.config, maker, set_weights, file.num_values, max_bytes)
    if not check_outputs:
        return loaded._replace(unchecked=_NOT_ASKED)
    if is_quantized(loaded.model.layers):
        return loaded._replace(unchecked="it is quantized already")
    original = original_of(file, path, trusted)
    if original is None:
        return loaded._replace(unchecked=_NO_ORIGINAL)
    _check(loaded, original)
    return loaded


def _from_live(
    model: Any, trusted: CustomObjects, check_outputs: bool, max_bytes: int
) -> Loaded:
    check_live(model)
    ours = isinstance(model, keras.Model)
    if ours and is_quantized(model.layers):
        return Loaded(model)
    if ours:
        trusted = own_parts(model, trusted)
    if ours and is_flat(model, trusted):
        graph = Graph.from_model(model)
        changes = canonicalize(graph)
        loaded = Loaded(graph.to_model() if changes else model, tuple(changes))
    else:
        values = [np.size(w) for layer in flat_layers(model) for w in layer.weights]

        def set_weights(architecture: Architecture) -> None:
            weights.set_from_model(architecture, model)

        maker = Maker(trusted, not ours)
        config = config_of(model)
        loaded = _assemble(config, maker, set_weights, sum(values), max_bytes)
    if loaded.model is model:
        return loaded
    if not check_outputs:
        return loaded._replace(unchecked=_NOT_ASKED)
    _check(loaded, model)
    return loaded


def _assemble(
    config: dict[str, Any],
    maker: Maker,
    set_weights: Callable[[Architecture], None],
    num_values: int,
    max_bytes: int,
) -> Loaded:
    architecture = read_architecture(config, maker)
    graph, changes = flatten(architecture, maker.keras_3)
    if is_quantized(node.layer for node in graph.nodes):
        with at_most(num_values):
            model = graph.to_model(lambda spec: spec.layer)
        set_weights(architecture)
        return Loaded(model)
    check_activations(graph, num_values, max_bytes)
    build_layers(graph, num_values)
    set_weights(architecture)
    weights.store(graph)
    changes = [*maker.changes, *changes, *remove_unused(graph), *canonicalize(graph)]
    # Of what attention was split into, the scores are as large as tokens squared.
    check_activations(graph, num_values, max_bytes)
    return Loaded(graph.to_model(lambda spec: spec.layer), tuple(changes))


def _check(loaded: Loaded, original: Any) -> None:
    texts = [text for _, text in loaded.changes if "made float32" in text]
    half = any("16" in text for text in texts)
    rewritten = {change.layer for change in loaded.changes}
    check_agreement(loaded.model, original, rewritten, half)


def _line(text: str) -> str:
    """Returns a message as one line that does nothing to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
