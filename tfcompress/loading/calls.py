"""Reading the calls of layers, in the forms that tf_keras and Keras 3 write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tfcompress.errors import ModelError
from tfcompress.loading.parts import refusal


class Reference(NamedTuple):
    """An output of a call: name of the part, number of the call, of the output."""

    part: str
    call: int
    output: int


def ends(value: Any) -> Iterator[Reference]:
    """Yields the references to inputs or outputs, in whatever structure they are."""
    if isinstance(value, dict):
        # The order in which both Keras take and give what has names.
        value = [value[name] for name in sorted(value)]
    if (reference := _reference(value)) is not None:
        yield reference
    elif isinstance(value, list):
        for part in value:
            yield from ends(part)


def _reference(value: Any) -> Reference | None:
    """Returns the tensor that a list such as `["conv", 0, 0]` stands for."""
    sound = isinstance(value, (list, tuple)) and len(value) == 3
    if not sound or not isinstance(value[0], str):
        return None
    # Not `isinstance`: True is an int.
    numbers = all(type(n) is int and 0 <= n < 10**6 for n in value[1:])
    return Reference(*value) if numbers else None


def read_arguments(
    node: Any, layer: str, listed: bool
) -> tuple[list[Any], dict[str, Any]]:
    """Returns what a layer is called with; where tensors were, references stand.

    Args:
      node: a call, as an architecture of either Keras has it.
      layer: that is called.
      listed: whether one tensor that is noted in a list was given in a list.

    Raises:
      ModelError: the node is damaged, or holds what no plain layer is called with.
    """
    if isinstance(node, dict):
        args = [_keras_3(value, layer) for value in node.get("args") or []]
        pairs = (node.get("kwargs") or {}).items()
        return args, {key: _keras_3(value, layer) for key, value in pairs}
    if not isinstance(node, list) or not node:
        raise ModelError(f"the calls of layer {layer} are damaged; save it again")
    # A node of old: one tensor, or a list of them; options stand at each, alike.
    if isinstance(node[0], str):
        given, options = _entry(node, layer)
    elif len(node) == 1 and not listed:
        given, options = _entry(node[0], layer)
    else:
        pairs_given = [_entry(item, layer) for item in _unnested(node)]
        given, options = [item for item, _ in pairs_given], pairs_given[0][1]
    return [given], options


def _unnested(node: list[Any]) -> list[Any]:
    while len(node) == 1 and node[0] and isinstance(node[0][0], list):
        node = node[0]
    return node


def _entry(item: Any, layer: str) -> tuple[Any, dict[str, Any]]:
    """Reads one tensor of a call in tf_keras' form, and the options beside it."""
    if not isinstance(item, list) or not 3 <= len(item) <= 4:
        raise ModelError(
            f"layer {layer} is called with several lists of tensors; rebuild the "
            "model so that it takes one tensor or one list"
        )
    options = item[3] if len(item) == 4 else {}
    if not isinstance(options, dict):
        raise ModelError(f"the calls of layer {layer} are damaged; save it again")
    decoded = {key: _tf_keras(value, layer) for key, value in options.items()}
    if item[0] == "_CONSTANT_VALUE":
        return _tf_keras(item[2], layer), decoded
    reference = _reference(item[:3])
    if reference is None:
        raise ModelError(f"the calls of layer {layer} are damaged; save it again")
    return reference, decoded


def _tf_keras(value: Any, layer: str) -> Any:
    """Decodes an argument of a call as tf_keras writes it."""
    if isinstance(value, (list, tuple)):
        reference = _reference(value)
        if reference is not None:
            return reference
        if len(value) == 4 and value[0] == "_CONSTANT_VALUE":
            return _tf_keras(value[2], layer)
        return [_tf_keras(item, layer) for item in value]
    if isinstance(value, dict) and value.keys() == {"start", "stop", "step"}:
        return slice(*(_tf_keras(value[k], layer) for k in ("start", "stop", "step")))
    return _special(value, layer, _tf_keras)


def _keras_3(value: Any, layer: str) -> Any:
    """Decodes an argument of a call as Keras 3 writes it."""
    if isinstance(value, list):
        return [_keras_3(item, layer) for item in value]
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        reference = _reference((value.get("config") or {}).get("keras_history"))
        if reference is None:
            raise ModelError(f"the calls of layer {layer} are damaged; save again")
        return reference
    return _special(value, layer, _keras_3)


def _special(value: Any, layer: str, decode: Callable[[Any, str], Any]) -> Any:
    """Decodes what JSON has no form for."""
    if not isinstance(value, dict):
        return value
    kind, config = value.get("class_name"), value.get("config")
    if kind == "__ellipsis__":
        return Ellipsis
    if kind in ("__tuple__", "TensorShape"):
        items = value.get("items", config)
        return tuple(decode(item, layer) for item in items or [])
    if isinstance(config, dict):
        if kind == "__slice__":
            parts = (config.get(key) for key in ("start", "stop", "step"))
            return slice(*(decode(item, layer) for item in parts))
        if kind in ("__numpy__", "__tensor__"):
            return config.get("value")
        if kind == "DTypePolicy":
            return config.get("name")
    if kind is None:
        return {key: decode(item, layer) for key, item in value.items()}
    raise refusal(layer, str(kind))
