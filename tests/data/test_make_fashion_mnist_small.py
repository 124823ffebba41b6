import hashlib

import numpy as np
import pytest

from tfcompress.data.fashion_mnist import DEBIAN_FOLDER, SMALL_FILE
from tfcompress.data.make_fashion_mnist_small import SEED, balanced_indices, make


def test_embedded_file_is_balanced_and_says_its_seed():
    with np.load(SMALL_FILE, allow_pickle=False) as arrays:
        assert arrays["x_train"].shape == (5000, 28, 28)
        assert arrays["x_test"].shape == (2000, 28, 28)
        assert arrays["x_train"].dtype == arrays["x_test"].dtype == np.uint8
        assert np.bincount(arrays["y_train"]).tolist() == [500] * 10
        assert np.bincount(arrays["y_test"]).tolist() == [200] * 10
        assert arrays["seed"] == SEED
        assert len(np.unique(arrays["train_indices"])) == 5000
        digest = hashlib.sha256(
            arrays["x_train"].tobytes() + arrays["x_test"].tobytes()
        )
    assert digest.hexdigest()[:16] == "c231ab1722074350"


def test_licence_lies_beside_the_data():
    notice = (SMALL_FILE.parent / "LICENSE.fashion_mnist").read_text(encoding="utf-8")
    assert "MIT License" in notice
    assert "2017 Zalando SE" in notice


def test_balanced_indices_take_the_same_number_of_every_class():
    labels = np.repeat([2, 0, 1], [9, 5, 7])
    chosen = balanced_indices(labels, 4, np.random.default_rng(0))
    assert np.bincount(labels[chosen]).tolist() == [4, 4, 4]
    assert (np.diff(chosen) > 0).all()


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="needs dataset-fashion-mnist")
def test_script_makes_the_embedded_file_again(tmp_path):
    make(DEBIAN_FOLDER, tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as again, np.load(SMALL_FILE) as embedded:
        assert again.files == embedded.files
        for name in again.files:
            np.testing.assert_array_equal(again[name], embedded[name])
