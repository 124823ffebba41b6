import importlib
import inspect
import operator

import pytest
import tensorflow as tf

from tfcompress.loading.operations.known import KERAS_3, TENSORFLOW
from tfcompress.loading.operations.translate import _ARGUMENT_NAMES


def parameters(function):
    return inspect.signature(function).parameters


def options(function):
    return [
        name
        for name, parameter in parameters(function).items()
        if parameter.default is not parameter.empty
    ]


@pytest.mark.parametrize("path", KERAS_3)
def test_keras_3_has_the_operation_and_its_options(path):
    module, name = path.split(".")
    operation = getattr(importlib.import_module(f"keras.src.ops.{module}"), name)
    known = {*parameters(operation.__init__), *parameters(operation.call)}
    assert set(options(KERAS_3[path])) <= known


@pytest.mark.parametrize("path", [p for p in TENSORFLOW if p != "CustomScaleLayer"])
def test_tensorflow_has_the_operation(path):
    if not path.startswith("__operators__."):
        assert callable(operator.attrgetter(path)(tf))


def test_other_names_of_arguments_are_those_of_tensorflow():
    names = {
        "alpha": tf.nn.leaky_relu,
        "b": tf.linalg.matmul,
        "bias": tf.nn.bias_add,
        "clip_value_max": tf.clip_by_value,
        "clip_value_min": tf.clip_by_value,
        "ksize": tf.nn.max_pool2d,
        "method": tf.image.resize,
        "paddings": tf.pad,
        "perm": tf.transpose,
        "shape": tf.reshape,
        "y": tf.math.multiply,
    }
    assert names.keys() | {"slice_spec"} == _ARGUMENT_NAMES.keys()
    for name, function in names.items():
        assert name in parameters(function)
