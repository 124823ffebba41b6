import io

import h5py
import numpy as np


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
    refused(saved, "holds itself")


def test_a_dataset_that_declares_more_than_it_stores_is_refused(saved, edit, refused):
    def bomb(hdf5):
        hdf5.create_dataset("layers/dense/vars/0", (2**31,), "f4", chunks=(2**20,))

    edit(saved, weights=weights_file(bomb))
    refused(saved, "declares more values than it stores")
