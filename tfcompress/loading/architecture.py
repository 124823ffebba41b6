"""Reading an architecture: its layers, checked and made, and their calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading.calls import Reference, ends, read_arguments
from tfcompress.loading.custom_objects import trusted_class
from tfcompress.loading.names import assign_names, entries_of, is_model, name_of
from tfcompress.loading.operations.known import KERAS_3
from tfcompress.loading.parts import Maker, refusal
from tfcompress.rewriting.graph import LayerSpec

_MODELS = ("Functional", "Model", "Sequential")
_TF_OPERATIONS = ("TFOpLambda", "SlicingOpLambda")


class Call(NamedTuple):
    """A call of a part; where tensors were given, references stand."""

    part: Part
    args: list[Any]
    kwargs: dict[str, Any]


@dataclass(eq=False)
class Part:
    """What an entry of an architecture stands for: one of the last three.

    Args:
      entry: as the file has it.
      own_name: in the file.
      name: in the flat model.
      specs: the layer, or the two that stand in its place; empty for all others.
      symbol: of a raw operation, see `translate.Operation`.
      model: a nested model.
    """

    entry: dict[str, Any]
    own_name: str
    name: str
    specs: list[LayerSpec] = field(default_factory=list)
    symbol: str = ""
    model: Architecture | None = None

    @property
    def layer(self) -> keras.layers.Layer | None:
        """The layer that the file describes, if that is what it describes."""
        return self.specs[0].layer if self.specs else None

    @property
    def is_input(self) -> bool:
        """Whether this is an input of the model it is in."""
        return bool(self.entry["class_name"] == "InputLayer")


@dataclass(eq=False)
class Architecture:
    """A model, possibly with models in it.

    Args:
      name: of the model.
      parts: by the name that they have in the file, in its order.
      calls: of the parts, in the order of the file, which need not be one that works.
      inputs, outputs: of the model.
      is_sequential: whether it is a Sequential.
    """

    name: str
    parts: dict[str, Part] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    inputs: list[Reference] = field(default_factory=list)
    outputs: list[Reference] = field(default_factory=list)
    is_sequential: bool = False

    def specs(self) -> Iterator[LayerSpec]:
        """Yields the layers that the file describes, those of nested models too."""
        for part in self.parts.values():
            yield from part.specs[:1]
            yield from part.model.specs() if part.model else ()


def read_architecture(entry: dict[str, Any], maker: Maker) -> Architecture:
    """Makes all layers of a model, and reads how they are connected.

    Args:
      entry: the model as a file has it; nothing in it was checked.
      maker: makes the layers; takes note of what was changed.

    Raises:
      ModelError: something in it is not on the list, or it is damaged.
    """
    known = isinstance(entry, dict) and isinstance(entry.get("class_name"), str)
    if known and entry["class_name"] not in _MODELS:
        raise ModelError(
            f"its model is a {entry['class_name']}; expected a Functional or "
            "Sequential model: rebuild it with keras.Model(inputs, outputs)"
        )
    if not known or not entry.get("config"):
        raise ModelError("its architecture is damaged; save the model again")
    names, changes = assign_names(entry["config"])
    maker.changes.extend(changes)
    return _Reader(maker, names).model(entry, outermost=True)


class _Reader:
    def __init__(self, maker: Maker, names: dict[int, str]):
        self._maker = maker
        self._names = names

    def model(self, entry: dict[str, Any], outermost: bool = False) -> Architecture:
        kind, config = entry["class_name"], entry["config"]
        if kind not in _MODELS:
            raise refusal(name_of(entry), kind)
        read = self._sequential if kind == "Sequential" else self._functional
        model = Architecture(name_of(entry) if isinstance(config, dict) else "model")
        for part_entry in entries_of(config):
            part = self._part(part_entry, outermost)
            if part.own_name in model.parts:
                raise ModelError(f"two layers of its model are named {part.own_name}")
            model.parts[part.own_name] = part
        read(model, config, outermost)
        used = {call.part.own_name for call in model.calls}
        used |= {end.part for end in model.inputs}
        if unused := [name for name in model.parts if name not in used]:
            raise ModelError(f"layer {unused[0]} is never called; take it out")
        return model

    def _part(self, entry: dict[str, Any], outermost: bool) -> Part:
        own = name_of(entry)
        trusted = trusted_class(entry, self._maker.custom_objects, own)
        if is_model(entry) and trusted is None:
            return Part(entry, own, own, model=self.model(entry))
        part = Part(
            entry,
            own,
            self._names.get(id(entry), own),
            symbol=symbol_of(entry, self._maker.keras_3),
        )
        if part.symbol or (part.is_input and not outermost):
            return part
        layers = self._maker.layer(entry, part.name)
        part.specs = [LayerSpec(layer) for layer in layers]
        return part

    def _sequential(
        self, model: Architecture, config: dict[str, Any], outermost: bool
    ) -> None:
        names = list(model.parts)
        if not model.parts[names[0]].is_input:
            names.insert(0, self._add_input(model, config, outermost))
        model.is_sequential = True
        model.inputs = [Reference(names[0], 0, 0)]
        for before, name in pairwise(names):
            given = Reference(before, 0, 0)
            model.calls.append(Call(model.parts[name], [given], {}))
        model.outputs = [Reference(names[-1], 0, 0)]

    def _add_input(
        self, model: Architecture, config: dict[str, Any], outermost: bool
    ) -> str:
        """Adds the input that a Sequential without an InputLayer is meant to have."""
        first = next(iter(model.parts))
        own = model.parts[first].entry["config"]
        own = own if isinstance(own, dict) else {}
        shape = own.get("batch_input_shape") or own.get("batch_shape")
        if not shape and isinstance(config, dict):
            shape = config.get("build_input_shape")
        if outermost and not shape:
            raise ModelError("its model has no input shape: build it before saving it")
        name = f"{first}_input"
        entry = {
            "class_name": "InputLayer",
            "config": {"name": name, "batch_input_shape": shape},
        }
        part = Part(entry, name, f"{model.parts[first].name}_input")
        if outermost:
            (layer,) = self._maker.layer(entry, part.name)
            part.specs = [LayerSpec(layer)]
        model.parts[name] = part
        return name

    def _functional(
        self, model: Architecture, config: dict[str, Any], outermost: bool
    ) -> None:
        for part in model.parts.values():
            for node in part.entry.get("inbound_nodes") or []:
                listed = bool(part.symbol) or _takes_list(part)
                args, kwargs = read_arguments(node, part.own_name, listed)
                model.calls.append(Call(part, args, kwargs))
        model.inputs = list(ends(config.get("input_layers")))
        model.outputs = list(ends(config.get("output_layers")))
        if self._maker.keras_3:
            # Keras 3 counts the making of a nested model as a call here, elsewhere not.
            model.outputs = [_without_making(model, end) for end in model.outputs]
        if not model.inputs or not model.outputs:
            raise ModelError("its model has no inputs or no outputs; save it again")


def symbol_of(entry: dict[str, Any], keras_3: bool) -> str:
    """Returns the function that an entry stands for; nothing if that is a layer.

    Args:
      entry: of an architecture.
      keras_3: whether Keras 3 wrote it.
    """
    kind, module = entry["class_name"], str(entry.get("module"))
    if module.startswith("keras.src.ops."):
        return f"{module}.{kind}"
    legacy = keras_3 and "inbound_nodes" in entry and "module" not in entry
    if legacy and "dtype" not in entry["config"]:
        # In a legacy file nothing else tells an operation from a layer of its name.
        known = [name for name in KERAS_3 if name.endswith(f".{kind}")]
        return f"keras.src.ops.{known[0]}" if known else ""
    if kind in _TF_OPERATIONS:
        return f"tf.{entry['config'].get('function')}"
    return kind if kind == "CustomScaleLayer" else ""


def _without_making(model: Architecture, end: Reference) -> Reference:
    part = model.parts.get(end.part)
    nested = part is not None and part.model and not part.model.is_sequential
    return end._replace(call=end.call - 1) if nested else end


def _takes_list(part: Part) -> bool:
    merge = keras.layers.Add.__mro__[1]
    return isinstance(part.layer, merge)
