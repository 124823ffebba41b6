import io
import zipfile

import h5py
import numpy as np
import pytest

from tfcompress.loading import load_model


def weights_file(write):
    content = io.BytesIO()
    with h5py.File(content, "w") as hdf5:
        write(hdf5)
    return content.getvalue()


def test_links_out_of_the_weights_file_are_refused(saved, tmp_path, edit, refused):
    secret = tmp_path / "secret"
    secret.write_bytes(np.full(4, 42, "float32").tobytes())

    def external_link(hdf5):
        hdf5["layers/conv2d/vars/0"] = h5py.ExternalLink("/other.h5", "x")

    def soft_loop(hdf5):
        hdf5["layers/a"] = h5py.SoftLink("/layers")

    def external_storage(hdf5):
        where = [(str(secret), 0, 16)]
        hdf5.create_dataset("layers/conv2d/vars/1", (4,), "f4", external=where)

    def virtual(hdf5):
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource("/other.h5", "x", (4,))
        hdf5.create_virtual_dataset("layers/conv2d/vars/1", layout)

    for write, told in [
        (external_link, "link to elsewhere"),
        (soft_loop, "link to elsewhere"),
        (external_storage, "stored in another file"),
        (virtual, "stored in another file"),
    ]:
        edit(saved, weights=weights_file(write))
        refused(saved, told)


def test_a_group_that_holds_itself_is_refused(saved, edit, refused):
    def loop(hdf5):
        hdf5["layers/a/vars/0"] = np.zeros(1)
        hdf5["layers/a/again"] = hdf5["layers"]

    edit(saved, weights=weights_file(loop))
    refused(saved, "declares more values|suspicious number")


def test_a_dataset_that_declares_more_than_it_stores_is_refused(saved, edit, refused):
    def bomb(hdf5):
        hdf5.create_dataset("layers/dense/vars/0", (2**31,), "f4", chunks=(2**20,))

    edit(saved, weights=weights_file(bomb))
    refused(saved, "declares more values than it stores")


def test_a_zip_bomb_is_refused(saved, refused):
    with zipfile.ZipFile(saved) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = b" " * (32 * 2**20) + parts["config.json"]
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    refused(saved, "unpacks to a suspicious size")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(saved, refused):
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("config.json", "{}")
    refused(saved, "two members of its archive bear one name")


def test_a_member_that_leads_elsewhere_is_not_extracted(saved, tmp_path, edit):
    edit(saved, extra={"../marker": b"x", "/tmp/marker": b"x"})
    load_model(saved)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.keras"]


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_file_cut_at_any_tenth_is_told_in_one_line(
    tmp_path, ending, plain_model, refused
):
    path = tmp_path / f"model.{ending}"
    plain_model.save(path)
    content = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(content[: len(content) * tenth // 10])
        refused(path, "cannot load")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n0000", "no .keras, .h5 or .tflite file"),
        (b"\x1c\0\0\0TFL3\0\0\0\0", "is a .tflite file"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path, content, told, refused):
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    refused(path, told)


def test_weights_alone_are_told(tmp_path, plain_model, refused):
    plain_model.save_weights(tmp_path / "only.h5")
    refused(tmp_path / "only.h5", "weights without an architecture")


def test_json_nested_without_end_is_told_in_one_line(saved, edit, refused):
    edit(saved, extra={"config.json": b"[" * 100_000})
    refused(saved, "cannot load")
