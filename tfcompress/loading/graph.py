"""A model and the models in it as one flat graph of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tfcompress.errors import ModelError
from tfcompress.layers.attention_heads import AttentionHeads
from tfcompress.loading.architecture import Architecture, Call, Part
from tfcompress.loading.calls import Reference
from tfcompress.loading.names import safe_name
from tfcompress.loading.operations.translate import Operation, translate
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph, Node, Tensor

# Models in models, each called several times, make calls without end.
_MAX_CALLS = 20_000

# What every layer has, and Keras 3's operations do not heed.
_LAYER_SETTINGS = ("name", "trainable", "dtype")
# Name of a part in its model, and the number of a call of it.
_Key = tuple[str, int]
_Find = Callable[[Reference], _Key]


def flatten(architecture: Architecture, keras_3: bool) -> tuple[Graph, list[Change]]:
    """Returns all calls of a model, those of nested models in their place.

    A layer or nested model that is called several times becomes several calls of the
    same layers.

    Args:
      architecture: of the model.
      keras_3: whether Keras 3 wrote it.

    Raises:
      ModelError: calls go round in a circle, lead nowhere, or are of a kind that no
        plain layer can do.
    """
    flattener = _Flattener(Graph(safe_name(architecture.name)), keras_3)
    graph = flattener.graph
    graph.outputs = flattener.run(architecture, None)
    if not all(isinstance(output, Tensor) for output in graph.outputs):
        raise ModelError("an output of its model is not computed from an input")
    _name_uniquely(graph, architecture)
    return graph, flattener.changes


def remove_unused(graph: Graph) -> list[Change]:
    """Takes out the calls that no output depends on; inputs stay."""
    needed = {id(tensor.node) for tensor in [*graph.outputs, *graph.inputs]}
    for node in reversed(graph.nodes):
        if id(node) in needed:
            needed |= {id(tensor.node) for tensor in node.inputs}
    unused = [node for node in graph.nodes if id(node) not in needed]
    graph.nodes = [node for node in graph.nodes if id(node) in needed]
    return [Change(node.name, "removed: no output depends on it") for node in unused]


class _Flattener:
    def __init__(self, graph: Graph, keras_3: bool):
        self.graph = graph
        self.changes: list[Change] = []
        self._keras_3 = keras_3
        self._num_calls = 0

    def run(self, model: Architecture, given: list[Any] | None) -> list[Any]:
        """Adds the calls of a model; returns its outputs."""
        if given is not None and len(given) != len(model.inputs):
            raise ModelError(f"model {model.name} is called with {len(given)} inputs")
        find = _finder(model)
        made: dict[_Key, Node | list[Any]] = {}
        for index, end in enumerate(model.inputs):
            part = model.parts.get(end.part)
            if part is None or not part.is_input:
                raise ModelError(f"its model has an input {end.part}, which is none")
            made[find(end)] = [self._input(part) if given is None else given[index]]

        def resolve(value: Any) -> Any:
            if not isinstance(value, Reference):
                return value
            outputs = made.get(find(value))
            if isinstance(outputs, Node):
                return Tensor(outputs, value.output)
            if outputs is None or value.output >= len(outputs):
                raise ModelError(f"{value.part} has no output {value.output}")
            return outputs[value.output]

        for key, call in _in_order(model, set(made), find):
            self._num_calls += 1
            if self._num_calls > _MAX_CALLS:
                raise ModelError("its models in models make too many calls of layers")
            args, kwargs = _map(resolve, call.args), _map(resolve, call.kwargs)
            made[key] = self._call(call.part, args, kwargs)
        return [resolve(end) for end in model.outputs]

    def _input(self, part: Part) -> Tensor:
        node = Node(part.specs[0])
        self.graph.nodes.append(node)
        self.graph.inputs.append(node.output)
        return node.output

    def _call(
        self, part: Part, args: list[Any], kwargs: dict[str, Any]
    ) -> Node | list[Any]:
        if part.symbol:
            text = f"rewritten from {part.entry['class_name']} to plain layers"
            self.changes.append(Change(part.name, text))
            name = self.graph.free_name(part.name)
            settings = part.entry["config"].items()
            if part.symbol.startswith("tf."):
                settings = ()
            config = {key: v for key, v in settings if key not in _LAYER_SETTINGS}
            operation = Operation(name, part.symbol, args, kwargs, config)
            return translate(self.graph, operation)
        if isinstance(part.layer, AttentionHeads):
            args, kwargs = _as_list(part, args, kwargs)
        options = self._options(part, args, kwargs)
        (argument,) = args
        if part.model is not None:
            self.changes.append(Change(part.name, "flattened into the model around it"))
            return self.run(part.model, _inputs(part.model, argument))
        is_list = isinstance(argument, list)
        given = argument if is_list else [argument]
        if not all(isinstance(tensor, Tensor) for tensor in given):
            raise _uncallable(part, "something else than tensors")
        node = Node(part.specs[0], given, is_list, options)
        self.graph.nodes.append(node)
        for spec in part.specs[1:]:
            node = Node(spec, [node.output])
            self.graph.nodes.append(node)
        return node

    def _options(
        self, part: Part, args: list[Any], kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Returns the options of a call that matter; refuses those that are unknown."""
        # A mask of None for each of several inputs is none.
        given = {k for k, v in kwargs.items() if any(x is not None for x in _leaves(v))}
        if len(args) != 1 or given - {"training"}:
            beside = ", ".join(sorted(given - {"training"})) or "several arguments"
            raise _uncallable(part, beside)
        # Keras 3 notes the mode at building time, and does not heed it later.
        training = kwargs.get("training")
        if training is None or self._keras_3 or part.model is not None:
            return {}
        return {"training": bool(training)}


def _as_list(
    part: Part, args: list[Any], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Returns the arguments of attention with its tensors as one list."""
    names = ("query", "value", "key")
    given = dict(zip(names, args, strict=False)) | kwargs
    tensors = [given.pop(name) for name in names if given.get(name) is not None]
    beside = [name for name, value in given.items() if value and name != "training"]
    if beside or not all(isinstance(tensor, Tensor) for tensor in tensors):
        raise ModelError(
            f"layer {part.own_name} attends with {beside or 'a constant'}, which plain "
            "layers cannot; rebuild the model without"
        )
    return [tensors], {"training": given.get("training")}


def _uncallable(part: Part, what: str) -> ModelError:
    return ModelError(
        f"layer {part.own_name} is called with {what}; rebuild the model so that it "
        "takes one tensor or one list of tensors"
    )


def _inputs(model: Architecture, argument: Any) -> list[Any]:
    if isinstance(argument, dict):
        return [argument[end.part] for end in model.inputs if end.part in argument]
    return argument if isinstance(argument, list) else [argument]


def _finder(model: Architecture) -> _Find:
    """Returns what tells the call that a reference means, counted from 0."""
    # A nested model counts from 1: call 0 is its own making, absent from the file.
    first: dict[str, int] = {}
    references = [r for call in model.calls for r in _references(call)]
    for name, call, _ in [*references, *model.inputs, *model.outputs]:
        first[name] = min(call, first.get(name, call))
    return lambda reference: (reference.part, reference.call - first[reference.part])


def _references(call: Call) -> list[Reference]:
    leaves = _leaves([call.args, call.kwargs])
    return [value for value in leaves if isinstance(value, Reference)]


def _leaves(value: Any) -> list[Any]:
    found: list[Any] = []
    _map(found.append, value)
    return found


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    """Applies a function to every leaf of lists, tuples, dictionaries and slices."""
    if isinstance(value, (list, tuple)) and not isinstance(value, Reference):
        return type(value)(_map(function, item) for item in value)
    if isinstance(value, dict):
        return {key: _map(function, item) for key, item in value.items()}
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return slice(*(_map(function, item) for item in parts))
    return function(value)


def _in_order(
    model: Architecture, done: set[_Key], find: _Find
) -> Iterator[tuple[_Key, Call]]:
    """Yields all calls, each after those it takes its inputs from."""
    calls: dict[_Key, Call] = {}
    counts = dict.fromkeys(model.parts, 0)
    for call in model.calls:
        name = call.part.own_name
        calls[name, counts[name]] = call
        counts[name] += 1
    entered: set[_Key] = set()
    for start in calls:
        # An own stack: networks are deeper than Python's.
        stack = [start]
        while stack:
            key = stack[-1]
            if key in done:
                stack.pop()
                continue
            if key not in calls:
                raise ModelError(
                    f"a layer takes its input from {key[0]}: no such layer"
                )
            needs = [find(reference) for reference in _references(calls[key])]
            missing = [need for need in needs if need not in done]
            if not missing:
                done.add(key)
                yield key, calls[key]
            elif key in entered:
                raise ModelError(f"layer {key[0]} never gets its input")
            entered.add(key)
            stack.extend(reversed(missing))


def _name_uniquely(graph: Graph, architecture: Architecture) -> None:
    """Renames layers that were added where a layer of the file has their name."""
    own = {id(spec) for spec in architecture.specs()}
    specs = {id(node.spec): node.spec for node in graph.nodes}
    taken = {spec.name for key, spec in specs.items() if key in own}
    for key, spec in specs.items():
        name, number = spec.name, 1
        while key not in own and spec.name in taken:
            number += 1
            spec.layer._name = f"{name}_{number}"
        taken.add(spec.name)
