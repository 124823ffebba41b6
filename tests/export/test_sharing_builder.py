import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tfcompress.export.sharing_builder import SharingBuilder


@pytest.fixture
def builder():
    return SharingBuilder()


def test_an_equal_vector_is_written_once(builder):
    first = builder.CreateNumpyVector(np.array([1, 2], np.int32))
    size = builder.Offset()
    assert builder.CreateNumpyVector(np.array([1, 2], np.int32)) == first
    assert builder.Offset() == size == 4 + 2 * 4


@pytest.mark.parametrize(
    "other",
    [
        np.array([1, 3], np.int32),
        np.array([1, 2, 0], np.int32),
        # The same bytes, but another number of elements.
        np.array([1 + (2 << 32)], np.int64),
    ],
)
def test_other_vectors_are_written(builder, other):
    first = builder.CreateNumpyVector(np.array([1, 2], np.int32))
    assert builder.CreateNumpyVector(other) != first


def test_vectors_are_little_endian_whatever_the_array_is(builder):
    first = builder.CreateNumpyVector(np.array([1, 2], "<i4"))
    assert builder.CreateNumpyVector(np.array([1, 2], ">i4")) == first


def test_an_equal_string_is_written_once_and_is_no_vector(builder):
    first = builder.CreateString("ab")
    assert builder.CreateString(b"ab") == first
    assert builder.CreateNumpyVector(np.frombuffer(b"ab", np.uint8)) != first


def test_a_table_with_equal_fields_is_written_once(builder):
    first = schema.Conv2DOptionsT(strideW=2, strideH=2).Pack(builder)
    size = builder.Offset()
    assert schema.Conv2DOptionsT(strideW=2, strideH=2).Pack(builder) == first
    assert builder.Offset() == size
    assert schema.Conv2DOptionsT(strideW=2, strideH=1).Pack(builder) != first


def test_tables_are_equal_by_what_they_refer_to(builder):
    def tensor(shape):
        return schema.TensorT(shape=np.array(shape, np.int32)).Pack(builder)

    assert tensor([1, 2]) == tensor([1, 2]) != tensor([2, 1])


def test_numbers_of_two_types_are_not_confused(builder):
    # 1 and 1.0 are equal in Python; in the first field they are other bytes.
    whole = schema.ConcatEmbeddingsOptionsT(numChannels=1).Pack(builder)
    real = schema.LeakyReluOptionsT(alpha=1.0).Pack(builder)
    assert whole != real
    assert schema.GatherOptionsT(axis=1).Pack(builder) == whole


def test_vectors_are_aligned_and_the_gap_is_foretold(builder):
    builder.CreateString("x")
    for content in (b"abc", b"0123456789", b""):
        values = np.frombuffer(content, np.uint8)
        gap = builder.padding_before(len(content), alignment=16)
        before = builder.Offset()
        offset = builder.create_vector(values, alignment=16)
        assert offset - before == gap + len(content) + 4
        assert (offset - 4) % 16 == 0


def test_what_was_taken_back_leaves_no_trace():
    # The builder grows on the way, and what follows is written over the rest.
    def graph(builder):
        tensors = [
            schema.TensorT(shape=np.arange(3, dtype=np.int32), buffer=number % 2)
            for number in range(100)
        ]
        model = schema.ModelT(subgraphs=[schema.SubGraphT(tensors=tensors)])
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    shared, plain = graph(SharingBuilder(16)), graph(flatbuffers.Builder(16))
    # 99 shapes of 16 bytes, and 98 tables of 8 bytes and, in half of them, a buffer.
    assert len(plain) - len(shared) == pytest.approx(99 * 16 + 98 * 8 + 49 * 4, abs=16)
    read = schema.ModelT.InitFromPackedBuf(shared)
    assert [tensor.buffer for tensor in read.subgraphs[0].tensors] == [0, 1] * 50
    assert all(tensor.shape[2] == 2 for tensor in read.subgraphs[0].tensors)
