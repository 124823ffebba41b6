"""A .tflite file of a handful of bytes, made from the schema alone."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

INT8 = schema.TensorType.INT8


def relu_file(
    shape=(1, 2, 3, 1),
    dtype=INT8,
    scale=0.5,
    zero_point=-3,
    num_inputs=1,
    code=schema.BuiltinOperator.RELU,
    custom=None,
):
    """Returns a file of one operator, RELU: what is below the zero point becomes it.

    Args:
      shape: of input and output.
      dtype: likewise.
      scale: likewise.
      zero_point: likewise.
      num_inputs: times that the file names its input.
      code: another operator than RELU.
      custom: name of an operator that is none of the schema's, as bytes.
    """

    def tensor(name):
        quantization = None
        if scale is not None:
            quantization = schema.QuantizationParametersT(
                scale=np.array([scale], np.float32),
                zeroPoint=np.array([zero_point], np.int64),
            )
        shape_vector = np.array(shape, np.int32)
        return schema.TensorT(shape_vector, dtype, name=name, quantization=quantization)

    graph = schema.SubGraphT(
        tensors=[tensor("taken"), tensor("given")],
        inputs=np.array([0] * num_inputs, np.int32),
        outputs=np.array([1], np.int32),
        operators=[
            schema.OperatorT(
                inputs=np.array([0], np.int32), outputs=np.array([1], np.int32)
            )
        ],
    )
    if custom:
        code = schema.BuiltinOperator.CUSTOM
    opcode = schema.OperatorCodeT(
        min(code, 127), builtinCode=code, version=2, customCode=custom
    )
    model = schema.ModelT(
        version=3,
        operatorCodes=[opcode],
        subgraphs=[graph],
        buffers=[schema.BufferT()],
    )
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
