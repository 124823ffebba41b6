import numpy as np
import pytest

from tfcompress.errors import ModelError
from tfcompress.profiling.tflite_tensors import Op, Tensor

NONE = np.empty(0)


def tensor(name="t", shape=(1, 2), content=None, dtype="float32", **more):
    return Tensor(name, dtype, shape, NONE, NONE, content, **more)


@pytest.mark.parametrize(
    ("dtype", "num_bytes"),
    [
        ("int8", 15),
        ("float16", 30),
        ("float32", 60),
        ("int64", 120),
        ("complex128", 240),
        ("int4", 8),  # two to a byte, and one alone
        ("int2", 4),
        ("string", 0),
    ],
)
def test_bytes_of_what_is_computed_follow_from_type_and_shape(dtype, num_bytes):
    assert tensor(shape=(3, 5), dtype=dtype).num_bytes == num_bytes


def test_bytes_of_a_constant_are_those_in_the_file():
    content = np.zeros(7, np.uint8)
    assert tensor(shape=(3, 5), content=content, is_sparse=True).num_bytes == 7


def test_parameters_are_floats_and_what_has_a_scale():
    content = np.zeros(8, np.uint8)
    assert tensor(content=content).is_parameter
    assert not tensor().is_parameter
    assert not tensor(content=content, dtype="int32").is_parameter
    scaled = Tensor("b", "int32", (2,), np.ones(1), np.zeros(1), content)
    assert scaled.is_parameter


def test_zero_is_what_the_zero_point_stands_for():
    content = np.array([3, 0, 3, 5], np.uint8)
    scaled = Tensor("w", "int8", (4,), np.ones(1), np.array([3]), content)
    assert scaled.num_nonzero == 2


def test_values_of_two_bits_and_of_bfloat16():
    # 0b11_10_01_00: the lowest bits first, as signed numbers of two bits.
    content = np.array([0b11100100], np.uint8)
    values = tensor(shape=(4,), content=content, dtype="int2").values()
    assert values.tolist() == [0, 1, -2, -1]
    # 1.5 as float32 is 0x3FC00000: bfloat16 keeps its upper half.
    content = np.array([0xC0, 0x3F, 0, 0], np.uint8)
    values = tensor(shape=(2,), content=content, dtype="bfloat16").values()
    assert values.tolist() == [1.5, 0.0]


def test_sparse_constants_have_fewer_values_than_their_shape():
    content = np.ones(3, np.float32).view(np.uint8)
    whole = {"shape": (2, 4), "content": content}
    assert tensor(**whole, is_sparse=True).num_nonzero == 3
    with pytest.raises(ModelError, match="do not make up"):
        tensor(**whole).values()


def test_an_operator_lists_its_tensors_without_the_absent():
    a, b = tensor("a"), tensor("b")
    op = Op("ADD", (a, None), (b,))
    assert op.tensors == (a, b)
    assert op.options == {}
