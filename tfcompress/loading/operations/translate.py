"""Making plain layers of a call of a function, whatever Keras wrote it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tfcompress.errors import ModelError
from tfcompress.loading.operations.expression import Call, Expression, Value, place
from tfcompress.loading.operations.known import KERAS_3, TENSORFLOW
from tfcompress.rewriting.graph import Graph, Tensor
from tfcompress.rewriting.shapes import tensor_shape

# TensorFlow's names of arguments, by those of Keras 3.
_ARGUMENT_NAMES = {
    "alpha": "negative_slope",
    "b": "x2",
    "bias": "x2",
    "clip_value_max": "x_max",
    "clip_value_min": "x_min",
    "ksize": "pool_size",
    "method": "interpolation",
    "paddings": "pad_width",
    "perm": "axes",
    "shape": "newshape",
    "slice_spec": "key",
    "y": "x2",
}
# Arguments that change nothing, or nothing unless another one is given too.
_MOOT = {
    "dtype",
    "fill_mode",
    "fill_value",
    "name",
    "out_type",
    "trainable",
    "validate_indices",
}


class Operation(NamedTuple):
    """A call of a function, as an architecture holds it.

    Args:
      name: of the layer that stands for the call.
      symbol: the function: `keras.src.ops.numpy.Add` (module and class) of Keras 3,
        `tf.math.add` of a `TFOpLambda` or `SlicingOpLambda`, or
        `CustomScaleLayer`, which InceptionResNetV2 brings along.
      args, kwargs: what it is called with: a `Tensor` where a tensor of the graph is,
        a list or number where an earlier `translate` returned one, else numbers,
        strings, lists, tuples, arrays, slices and `Ellipsis`.
      config: settings of the operation itself, which Keras 3 holds beside the call.
    """

    name: str
    symbol: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = {}
    config: Mapping[str, Any] = {}


def translate(graph: Graph, operation: Operation) -> list[Any]:
    """Adds plain layers that compute what an operation does.

    Args:
      graph: gets the layers; the last one bears the operation's name.
      operation: the call.

    Returns:
      The outputs: a `Tensor` each; it is the operation's input where nothing is to be
      done. `tf.shape` gives a list as its one output, of a number for each axis, -1
      for an open batch and None for another open axis; an item of it is a number. Both
      take the place of tensors in the arguments of later operations.

    Raises:
      ModelError: the operation is not on the list, or used in a way that no plain
        layer can do.

    Example:
      >>> doubled = Operation("double", "tf.math.multiply", [x], {"y": 2.0})
      >>> translate(graph, doubled)[0].node.layer.scale
      2.0
    """
    symbol = operation.symbol
    function = _function(symbol)
    if function is None:
        raise _refusal(operation, "which is not on the list of known operations")
    try:
        arguments = _with_shapes(graph, (list(operation.args), _keywords(operation)))
        result = _call(function, *arguments)
        return _placed(graph, operation.name, result)
    except ModelError as error:
        raise _refusal(operation, str(error)) from error
    # Whatever arguments of a wrong kind bring about.
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise _refusal(operation, f"with unfit arguments ({reason:.80})") from error


def _function(symbol: str) -> Callable[..., Any] | None:
    if symbol.startswith("keras."):
        path = symbol.removeprefix("keras.").removeprefix("src.").removeprefix("ops.")
        return KERAS_3.get(path)
    return TENSORFLOW.get(symbol.removeprefix("tf."))


def _refusal(operation: Operation, why: str) -> ModelError:
    return ModelError(
        f"layer {operation.name} calls {operation.symbol} {why}; put a Keras layer in "
        "its place and save the model again"
    )


def _keywords(operation: Operation) -> dict[str, Any]:
    if not operation.symbol.startswith("tf."):
        return {**operation.config, **operation.kwargs}
    # The config of a TFOpLambda is that of a layer, and says nothing of the call.
    given = operation.kwargs.items()
    return {_ARGUMENT_NAMES.get(key, key): value for key, value in given}


def _with_shapes(graph: Graph, value: Any) -> Any:
    """Returns arguments with a Value in the place of every tensor."""
    if isinstance(value, Tensor):
        return Value(value, tensor_shape(graph, value))
    if isinstance(value, (list, tuple)):
        return [_with_shapes(graph, item) for item in value]
    if isinstance(value, dict):
        return {key: _with_shapes(graph, item) for key, item in value.items()}
    return value


def _call(
    function: Callable[..., Any], arguments: list[Any], keywords: dict[str, Any]
) -> Any:
    accepted = inspect.signature(function).parameters
    for key in [key for key in keywords if key not in accepted]:
        # What is off, or not given, does nothing.
        default = key in _MOOT or keywords[key] in ("channels_last", "NHWC")
        if keywords[key] and not default:
            raise ModelError(f"with {key}={keywords[key]!r:.80}")
        del keywords[key]
    return function(*arguments, **keywords)


def _placed(graph: Graph, name: str, result: Any) -> list[Any]:
    if isinstance(result, (Value, Call)):
        return [place(graph, result, name)]
    if not (isinstance(result, list) and isinstance(result[0], (Value, Call))):
        return [result]
    parts: list[Expression] = result
    names = [f"{name}_{index}" for index in range(len(parts) - 1)] + [name]
    return [
        place(graph, part, graph.free_name(own))
        for part, own in zip(parts, names, strict=True)
    ]
