"""A .tflite file of one layer alone, by its shape: what a channel count costs.

The converter takes a second a file, and a table of layers needs hundreds: these are
written from the flatbuffer schema. The weights are zeros, for the time of LiteRT's
dense kernels does not depend on values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

Pair = tuple[int, int]
_SCALE = 1 / 64


@dataclass(frozen=True)
class LayerShape:
    """A convolution or dense layer, without its numbers of channels.

    Args:
      op: `CONV_2D`, `DEPTHWISE_CONV_2D` or `FULLY_CONNECTED`.
      image: (height, width) that the kernel is applied to; of a dense layer
        (1, number of places).
      window: (height, width) of the kernel.
      strides: (down, right).
      dilation: (down, right).
      padding: `same` or `valid`.
      groups: of a grouped convolution.
    """

    op: str
    image: Pair
    window: Pair = (1, 1)
    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: str = "same"
    groups: int = 1

    @property
    def output(self) -> Pair:
        """(height, width) of the output."""
        sides = []
        for side, window, stride, dilation in zip(
            self.image, self.window, self.strides, self.dilation, strict=True
        ):
            lost = (window - 1) * dilation if self.padding == "valid" else 0
            sides.append(math.ceil((side - lost) / stride))
        return sides[0], sides[1]


def build_layer_file(
    layer: LayerShape, num_inputs: int, num_outputs: int, dtype: str = "int8"
) -> bytes:
    """Returns the bytes of a .tflite file of one layer.

    Args:
      layer: its shape.
      num_inputs: input channels; a multiple of the groups.
      num_outputs: output channels; of a depthwise layer a multiple of the inputs.
      dtype: of everything but the biases of an int8 file: `int8` or `float32`.
    """
    is_depthwise = layer.op == "DEPTHWISE_CONV_2D"
    is_dense = layer.op == "FULLY_CONNECTED"
    per_output = num_inputs // layer.groups
    kernel = (
        (num_outputs, num_inputs)
        if is_dense
        else (1, *layer.window, num_outputs)
        if is_depthwise
        else (num_outputs, *layer.window, per_output)
    )
    channel_axis = 3 if is_depthwise else 0
    image, output = ((side[1:] if is_dense else (1, *side)) for side in _sides(layer))
    model = schema.ModelT()
    model.version = 3
    is_float = dtype == "float32"
    weights = np.zeros(kernel, np.float32 if is_float else np.int8)
    biases = np.zeros(num_outputs, np.float32 if is_float else np.int32)
    # The first buffer is empty by the schema: that of all that is computed.
    model.buffers = [_buffer(None), _buffer(weights), _buffer(biases)]
    graph = schema.SubGraphT()
    shapes = ((*image, num_inputs), kernel, (num_outputs,), (*output, num_outputs))
    graph.tensors = _tensors(shapes, channel_axis, is_float)
    graph.inputs, graph.outputs = [0], [3]
    graph.operators = [_operator(layer, num_outputs // num_inputs)]
    model.subgraphs = [graph]
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, layer.op)
    # Readers take the larger of the two; the old field is one byte.
    code.deprecatedBuiltinCode = code.builtinCode
    code.version = 1 if is_float else 4 if is_dense else 3
    model.operatorCodes = [code]
    return bytes(convert_object_to_bytearray(model))


def _sides(layer: LayerShape) -> tuple[Pair, Pair]:
    return layer.image, layer.output


def _buffer(values: np.ndarray | None) -> Any:
    buffer = schema.BufferT()
    if values is not None:
        buffer.data = values.view(np.uint8).ravel()
    return buffer


def _tensors(
    shapes: Sequence[tuple[int, ...]], channel_axis: int, is_float: bool
) -> list[Any]:
    """Returns input, kernel, bias and output."""
    image, kernel, bias, output = shapes
    types = schema.TensorType
    kind, bias_kind = (
        (types.FLOAT32, types.FLOAT32) if is_float else (types.INT8, types.INT32)
    )
    each = np.full(0 if is_float else bias[0], _SCALE, np.float32)
    return [
        _tensor("input", image, kind, 0, each[:1]),
        _tensor("kernel", kernel, kind, 1, each, channel_axis),
        _tensor("bias", bias, bias_kind, 2, each * np.float32(_SCALE)),
        _tensor("output", output, kind, 0, np.ones_like(each[:1])),
    ]


def _tensor(
    name: str,
    shape: tuple[int, ...],
    dtype: int,
    buffer: int,
    scales: np.ndarray,
    axis: int = 0,
) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, dtype, buffer
    if not len(scales):
        return tensor
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = scales
    tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
    tensor.quantization.quantizedDimension = axis
    return tensor


def _operator(layer: LayerShape, depth_multiplier: int) -> Any:
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 1, 2], [3]
    if layer.op == "FULLY_CONNECTED":
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = schema.FullyConnectedOptionsT()
        return operator
    if layer.op == "DEPTHWISE_CONV_2D":
        operator.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = depth_multiplier
    else:
        operator.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
        options = schema.Conv2DOptionsT()
    options.padding = getattr(schema.Padding, layer.padding.upper())
    options.strideH, options.strideW = layer.strides
    options.dilationHFactor, options.dilationWFactor = layer.dilation
    operator.builtinOptions = options
    return operator
