"""Giving the layers of an architecture the weights that a file stores for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tf_keras as keras
from tf_keras.src.saving import saving_lib

from tfcompress.errors import ModelError
from tfcompress.layers.attention_heads import AttentionHeads
from tfcompress.loading.architecture import Architecture, Part
from tfcompress.loading.listed import listed_class
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.keras_errors import first_line

Arrays = Mapping[str, Sequence[np.ndarray]]


def set_by_path(architecture: Architecture, arrays: Arrays, keras_3: bool) -> None:
    """Sets weights that stand at paths such as `layers/functional/layers/conv2d_1`.

    Args:
      architecture: with all layers built.
      arrays: of the layers, by path, in the order of their variables.
      keras_3: whether Keras 3 wrote the file.

    Raises:
      ModelError: there are too few, too many, or others than the layers have.
    """
    left = dict(arrays)
    for path, part in _paths(architecture, "", keras_3):
        if not part.specs:
            continue
        layer = part.specs[0].layer
        inner = {key for key in left if key == path or key.startswith(f"{path}/")}
        own = {key: left.pop(key) for key in inner}
        if isinstance(layer, keras.layers.Wrapper) and _is_plain(layer):
            _assign(layer, _own_variables(layer), own.pop(path, ()))
            path, layer = f"{path}/layer", layer.layer
        if _is_plain(layer):
            places = [path + place for place in _places(layer, keras_3)]
            stored = [array for place in places for array in own.pop(place, ())]
            _assign(layer, _own_variables(layer), stored)
        else:
            _set_custom(layer, path, own)
            own = {}
        # Of Keras 3 also the state of random generators is stored.
        left |= {k: v for k, v in own.items() if v and not k.endswith("_generator")}
    stray = [path for path, values in left.items() if len(values)]
    if stray:
        raise ModelError(f"it holds weights of {stray[0]}, which the model has not")


def set_by_name(architecture: Architecture, arrays: Arrays) -> None:
    """Sets weights of a legacy file: by outermost layer, all trainable ones first.

    Args:
      architecture: with all layers built.
      arrays: by name of the outermost layer.

    Raises:
      ModelError: there are too few, too many, or others than the layers have.
    """
    for part in architecture.parts.values():
        layers = [spec.layer for spec in _specs(part)]
        variables = [v for layer in layers for v in layer.trainable_weights]
        variables += [v for layer in layers for v in layer.non_trainable_weights]
        _assign_values(part.own_name, variables, arrays.get(part.own_name, ()))
    stray = [name for name in arrays if name not in architecture.parts and arrays[name]]
    if stray:
        raise ModelError(f"it holds weights of {stray[0]}, which the model has not")


def set_by_index(
    architecture: Architecture, arrays: Mapping[tuple[str, ...], np.ndarray]
) -> None:
    """Sets weights of a SavedModel: by `layer-N` of each model, and attribute.

    Args:
      architecture: with all layers built.
      arrays: by keys such as `("layer-2", "layer-0", "kernel")`.

    Raises:
      ModelError: there are too few, or others than the layers have.
    """
    for path, part in _indices(architecture, ()):
        if not part.specs:
            continue
        layer = part.specs[0].layer
        stored = []
        for name, holder in _holders(layer):
            attributes = {id(value): key for key, value in vars(holder).items()}
            for variable in _own_variables(holder):
                key = (*path, *name, attributes.get(id(variable), ""))
                stored += [arrays[key]] if key in arrays else []
        _assign(layer, _own_variables(layer), stored)


def set_from_model(architecture: Architecture, model: Any) -> None:
    """Sets the weights of a live model of either Keras.

    Args:
      architecture: with all layers built.
      model: what the architecture was read from.
    """
    for own, part in architecture.parts.items():
        live = next((layer for layer in model.layers if layer.name == own), None)
        if part.model is not None:
            set_from_model(part.model, live)
        elif part.specs and live is not None:
            arrays = [np.asarray(value) for value in live.get_weights()]
            layer = part.specs[0].layer
            _assign(layer, layer.weights, arrays)


def store(graph: Graph) -> None:
    """Notes the weights of all layers with the graph, so that rewrites can read them.

    What a Normalization learned becomes a setting of it: Keras computes with what it
    derives from these weights, and does so again only when a file is loaded.
    """
    for spec in {id(node.spec): node.spec for node in graph.nodes}.values():
        layer = spec.layer
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            mean, variance, _ = layer.get_weights()
            config = layer.get_config() | {"mean": mean, "variance": variance}
            spec.layer = keras.layers.Normalization.from_config(config)
        else:
            spec.weights = layer.get_weights()


def _specs(part: Part) -> list[Any]:
    return list(part.model.specs()) if part.model else part.specs[:1]


def _is_plain(layer: keras.layers.Layer) -> bool:
    """Returns whether a layer holds its weights itself, in one known order."""
    kind = type(layer)
    return listed_class(kind.__module__, kind.__name__, None) is kind


def _own_variables(layer: keras.layers.Layer) -> list[Any]:
    holders = [holder for _, holder in _holders(layer)]
    return [v for h in holders for v in h._trainable_weights + h._non_trainable_weights]


def _holders(
    layer: keras.layers.Layer,
) -> list[tuple[tuple[str, ...], keras.layers.Layer]]:
    """Returns what holds a layer's variables, mostly itself, and where in it."""
    if not isinstance(layer, AttentionHeads):
        return [((), layer)]
    return [((name,), getattr(layer, name)) for name in layer.PARTS]


def _places(layer: keras.layers.Layer, keras_3: bool) -> list[str]:
    """Returns where in a `.keras` file, below the layer, its weights stand."""
    places = ["".join(f"/{name}" for name in names) for names, _ in _holders(layer)]
    # Keras 3 leaves the mark of private attributes out.
    return [place.replace("/_", "/") for place in places] if keras_3 else places


def _paths(
    model: Architecture, prefix: str, keras_3: bool
) -> Iterator[tuple[str, Part]]:
    """Yields every layer with the path of its weights in a `.keras` file."""
    used: Counter[str] = Counter()
    for part in model.parts.values():
        # To Keras 3 an operation is no layer, to tf_keras it is.
        if keras_3 and part.symbol.startswith("keras."):
            continue
        stem = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", part.entry["class_name"])
        stem = re.sub("([a-z])([A-Z])", r"\1_\2", stem).lower()
        path = f"{prefix}layers/{stem}" + (f"_{used[stem]}" if used[stem] else "")
        used[stem] += 1
        if part.model is not None:
            yield from _paths(part.model, f"{path}/", keras_3)
        else:
            yield path, part


def _indices(
    model: Architecture, prefix: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Part]]:
    """Yields every layer with the path of its weights in a SavedModel."""
    parts = [
        p for p in model.parts.values() if not (model.is_sequential and p.is_input)
    ]
    for index, part in enumerate(parts):
        path = (*prefix, f"layer-{index}")
        if part.model is not None:
            yield from _indices(part.model, path)
        else:
            yield path, part


def _set_custom(layer: keras.layers.Layer, path: str, own: Arrays) -> None:
    """Sets the weights of a class of the user, which may have layers inside."""
    for arrays in own.values():
        _check_finite(layer.name, arrays)
    try:
        saving_lib._load_state(layer, PathStore(own), None, path, False, set())
    except Exception as error:
        raise ModelError(
            f"the weights of layer {layer.name} do not fit it: {first_line(error)}; "
            "give the class that it was saved with"
        ) from error


class PathStore(dict[str, dict[str, np.ndarray]]):
    """Weights by path, in the form that both Keras load them from.

    Args:
      arrays: weights by path; a path that is not there has none.
    """

    def __init__(self, arrays: Arrays):
        super().__init__(
            (path, {str(i): array for i, array in enumerate(values)})
            for path, values in arrays.items()
        )

    def __bool__(self) -> bool:
        """Returns True: a store without weights is looked into as well."""
        return True

    def get(self, path: str, default: Any = None) -> Any:
        """Returns the weights at a path, by their number as text."""
        del default
        return super().get(path, {})


def _assign(
    layer: keras.layers.Layer, variables: Sequence[Any], arrays: Sequence[np.ndarray]
) -> None:
    _assign_values(layer.name, variables, arrays)


def _assign_values(
    name: str, variables: Sequence[Any], arrays: Sequence[np.ndarray]
) -> None:
    if len(variables) and not len(arrays):
        raise ModelError(
            f"it holds no weights of layer {name}; save the model again, or load the "
            "live model: a file lacks them where nested models share a layer"
        )
    expected = [tuple(variable.shape) for variable in variables]
    given = [array.shape for array in arrays]
    if expected != given:
        raise ModelError(
            f"the weights of layer {name} have the shapes {_text(given)}, its settings "
            f"say {_text(expected)}; save the model again"
        )
    _check_finite(name, arrays)
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array.astype(variable.dtype.as_numpy_dtype))


def _text(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "scalar" for shape in shapes[:4])


def _check_finite(name: str, arrays: Sequence[np.ndarray]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ModelError(f"the weights of {name} hold NaN or infinity; train it again")
