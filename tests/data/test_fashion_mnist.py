import gzip
import struct

import numpy as np
import pytest

from tfcompress.data import fashion_mnist, load
from tfcompress.data.fashion_mnist import load_fashion_mnist, read_idx_folder
from tfcompress.errors import DataError


def idx(array):
    sizes = struct.pack(f">{array.ndim + 1}i", 0x0800 + array.ndim, *array.shape)
    return sizes + array.astype(np.uint8).tobytes()


def write(folder, first=0, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for part, num in (("train", 40), ("t10k", 20)):
        images = np.full((num, 28, 28), first)
        for kind, array in (
            ("images-idx3", images),
            ("labels-idx1", np.arange(num) % 10),
        ):
            name, content = f"{part}-{kind}-ubyte", idx(array)
            if packed:
                name, content = f"{name}.gz", gzip.compress(content)
            (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No data set on this machine, and no network."""
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.delenv("TFCOMPRESS_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # A closed port: whatever is fetched through it fails at once.
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    return tmp_path


def test_folder_is_found_in_the_promised_order(nowhere, monkeypatch):
    write(nowhere / "debian", first=1)
    assert load_fashion_mnist()[0][0].max() == 1
    write(nowhere / "variable" / "fashion-mnist", first=2)
    monkeypatch.setenv("TFCOMPRESS_DATA_DIR", str(nowhere / "variable"))
    assert load_fashion_mnist()[0][0].max() == 2
    write(nowhere / "option", first=3, packed=False)
    assert load_fashion_mnist(nowhere / "option")[0][0].max() == 3
    data = load("fashion_mnist", data_dir=str(nowhere / "option"))
    assert len(data.train) + len(data.validation) == 40
    assert data.class_names[9] == "Ankle boot"


def test_given_folder_is_the_only_one_looked_in(nowhere, monkeypatch):
    write(nowhere / "debian")
    write(nowhere / "variable")
    monkeypatch.setenv("TFCOMPRESS_DATA_DIR", str(nowhere / "variable"))
    for empty in (nowhere / "empty", nowhere):
        with pytest.raises(DataError) as error:
            load("fashion_mnist", data_dir=str(empty))
        message = str(error.value)
        assert message.startswith(f"{empty}: ")
        assert "train-images-idx3-ubyte" in message
        assert "t10k-images-idx3-ubyte" in message
        assert "\n" not in message
    write(nowhere / "fashion-mnist", first=4)
    assert load_fashion_mnist(nowhere)[0][0].max() == 4


def test_error_names_all_three_ways(nowhere, monkeypatch, capfd):
    monkeypatch.setenv("TFCOMPRESS_DATA_DIR", str(nowhere / "empty"))
    with pytest.raises(DataError) as error:
        load("fashion_mnist")
    message = str(error.value)
    assert "\n" not in message
    for part in ("empty", "debian", "download", "--data_dir", "TFCOMPRESS_DATA_DIR",
                 "dataset-fashion-mnist"):  # fmt: skip
        assert part in message
    assert capfd.readouterr().out == ""


def test_damaged_file_is_named(tmp_path):
    for damage in (b"", b"text", gzip.compress(b"\0\0\x08\x01\0\0\0\x09abc")):
        folder = write(tmp_path)
        file = folder / "t10k-labels-idx1-ubyte.gz"
        file.write_bytes(damage)
        with pytest.raises(DataError) as error:
            read_idx_folder(folder)
        assert str(file) in str(error.value)
        assert "\n" not in str(error.value)
    whole = (write(tmp_path) / "train-images-idx3-ubyte.gz").read_bytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole[:-30])
    with pytest.raises(DataError, match="train-images"):
        read_idx_folder(tmp_path)
    write(tmp_path)
    file.unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is missing"):
        read_idx_folder(tmp_path)
