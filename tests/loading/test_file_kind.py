import pytest

from tfcompress.errors import ModelError
from tfcompress.loading.file_kind import kind_of


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty; expected a .keras or .h5 file"),
        (b"PK", "cut short after a few bytes"),
        (b"\x89HDF", "cut short after a few bytes"),
        (b"\x89PNG\r\n\x1a\n0000", "a PNG picture"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (b"\x1c\0\0\0TFL3\0\0\0\0", "a .tflite file, which no longer holds layers"),
        (b'{"class_name": "Functional"', "JSON, perhaps an architecture without weig"),
        (b"\x08\x08\x12\x07pytorch", "an ONNX model"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"PK\x05\x06" + bytes(18), "an empty archive"),
        (b"some text", "no model file"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path, content, told):
    (tmp_path / "model.h5").write_bytes(content)
    with pytest.raises(ModelError, match=told):
        kind_of(tmp_path / "model.h5")


@pytest.mark.parametrize(
    ("name", "told"), [("model.onnx", "ONNX"), ("saved_model.pb", "give its folder")]
)
def test_a_name_tells_what_the_bytes_do_not(tmp_path, name, told):
    (tmp_path / name).write_bytes(b"\x0a\x01")
    with pytest.raises(ModelError, match=told):
        kind_of(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n0000"])
def test_a_name_that_says_tflite_is_no_reason_to_ask_for_keras(tmp_path, content):
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ModelError, match=r"expected what its name says: convert the"):
        kind_of(tmp_path / "m.tflite")
    (tmp_path / "m.tflite").write_bytes(b"\x1c\0\0\0TFL3\0\0\0\0")
    with pytest.raises(ModelError, match=r"no longer holds layers; expected a \.keras"):
        kind_of(tmp_path / "m.tflite")


@pytest.mark.parametrize(
    ("start", "kind"), [(b"PK\x03\x04", "archive"), (b"\x89HDF\r\n\x1a\n", "hdf5")]
)
def test_a_model_file_is_known_by_its_bytes_alone(tmp_path, start, kind):
    (tmp_path / "model").write_bytes(start + bytes(100))
    assert kind_of(tmp_path / "model") == kind
