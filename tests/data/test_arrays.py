import io
import zipfile

import numpy as np
import pytest

from tfcompress.data import from_arrays, load
from tfcompress.errors import DataError


def pair(num=12, shape=(4, 4, 1), num_classes=2, dtype=np.uint8):
    images = np.arange(num * np.prod(shape)).reshape(num, *shape) % 251
    return images.astype(dtype), np.arange(num) % num_classes


def assert_one_line(error, *parts):
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_validation_is_split_off_train_by_seed():
    data = from_arrays(pair(40), pair(), validation_fraction=0.25)
    assert (len(data.train), len(data.validation), len(data.test)) == (30, 10, 12)
    assert np.bincount(data.validation.labels).tolist() == [5, 5]
    rows = np.concatenate([data.train.images, data.validation.images])
    assert {row.tobytes() for row in rows} == {row.tobytes() for row in pair(40)[0]}
    other = from_arrays(pair(40), pair(), validation_fraction=0.25, seed=1)
    assert (other.validation.images != data.validation.images).any()


def test_given_validation_leaves_train_alone():
    data = from_arrays(pair(40), pair(), pair(6), name="mine", class_names=("a", "b"))
    assert (len(data.train), len(data.validation)) == (40, 6)
    assert (data.name, data.class_names, data.num_classes) == ("mine", ("a", "b"), 2)


def test_grey_images_get_a_channel_and_label_columns_are_flattened():
    images, labels = pair(shape=(4, 5))
    data = from_arrays((images, labels[:, None]), (images, labels))
    assert data.input_shape == (4, 5, 1)
    assert data.train.labels.ndim == 1


IMAGES, LABELS = pair()
NAN = IMAGES.astype(np.float32)
NAN[3, 1, 1, 0] = np.nan
RAGGED = [np.zeros((4, 4, 1)), np.zeros((5, 4, 1))] * 6


@pytest.mark.parametrize(
    ("train", "parts"),
    [
        pytest.param((NAN, LABELS), ("NaN", "1 of 12", "index 3"), id="nan"),
        pytest.param((RAGGED, LABELS), ("mixed", "(4, 4, 1)", "(5, 4, 1)"), id="mixed"),
        pytest.param((IMAGES.astype(int), LABELS), ("int64", "uint8"), id="int64"),
        pytest.param((IMAGES[0, 0], LABELS), ("shape (4, 1)",), id="rank"),
        pytest.param((IMAGES[:0], LABELS[:0]), ("shape (0, 4, 4, 1)",), id="none"),
        pytest.param((IMAGES, None), ("labels are None", "an array"), id="no labels"),
        pytest.param((IMAGES, LABELS[:5]), ("12 images but 5 labels",), id="count"),
        pytest.param((IMAGES, np.eye(2)[LABELS]), ("one-hot", "argmax"), id="one-hot"),
        pytest.param((IMAGES, LABELS / 1.0), ("labels are float64",), id="floats"),
        pytest.param((IMAGES, LABELS - 1), ("label -1 at index 0", "0..0"), id="minus"),
        pytest.param((IMAGES, LABELS * 0), ("only one class",), id="one class"),
        pytest.param((IMAGES, LABELS * 9), ("class 1 has no training",), id="gap"),
    ],
)
def test_bad_train_arrays_are_refused_in_one_line(train, parts):
    with pytest.raises(DataError) as error:
        from_arrays(train, pair())
    assert_one_line(error, *parts)


@pytest.mark.parametrize(
    ("test", "parts"),
    [
        pytest.param((IMAGES, LABELS + 1), ("test label 2 at index 1", "0..1"), id="y"),
        pytest.param(pair(shape=(4, 6, 1)), ("(4, 6, 1)", "(4, 4, 1)"), id="shape"),
        pytest.param(pair(dtype=np.float32), ("float32", "uint8"), id="type"),
    ],
)
def test_test_arrays_must_fit_train(test, parts):
    with pytest.raises(DataError) as error:
        from_arrays(pair(), test)
    assert_one_line(error, *parts)


def save(path, **changes):
    x, y = pair()
    arrays = {"x_train": x, "y_train": y, "x_test": x, "y_test": y} | changes
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    return f"npz:{path}"


def test_npz_is_loaded_with_its_validation_if_it_has_one(tmp_path):
    data = load(save(tmp_path / "a.npz"))
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 2, 12)
    images, labels = pair(4)
    named = save(tmp_path / "b.npz", x_validation=images, y_validation=labels)
    assert len(load(named).validation) == 4


def test_pickled_npz_is_refused(tmp_path):
    name = save(tmp_path / "a.npz", y_train=np.array([{}] * 12, object))
    with pytest.raises(DataError) as error:
        load(name)
    assert_one_line(error, "a.npz", "allow_pickle=False")


def test_npz_without_an_array_names_it(tmp_path):
    with pytest.raises(DataError) as error:
        load(save(tmp_path / "a.npz", y_test=None))
    assert_one_line(error, "no array named y_test")


def test_missing_npz_and_folder_for_file(tmp_path):
    with pytest.raises(DataError) as error:
        load(f"npz:{tmp_path / 'none.npz'}")
    assert_one_line(error, "none.npz", "no such file")
    with pytest.raises(DataError) as error:
        load(f"npz:{tmp_path}")
    assert_one_line(error, str(tmp_path), "not a readable npz")


def test_npz_cut_or_changed_anywhere_gives_one_line(tmp_path):
    path = tmp_path / "a.npz"
    name = save(path)
    whole = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(whole[: len(whole) * tenth // 10])
        with pytest.raises(DataError) as error:
            load(name)
        assert_one_line(error, "a.npz")
    outcomes = set()
    generator = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[generator.integers(len(whole))] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        try:
            outcomes.add(load(name).name)
        except DataError as error:
            outcomes.add("refused")
            assert "\n" not in str(error)
    assert "refused" in outcomes


def test_npz_that_declares_more_than_it_holds_takes_no_memory(tmp_path):
    path = tmp_path / "bomb.npz"
    save(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**13, 8, 8, 1)}
    )
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["x_train.npy"] = header.getvalue() + b"\0" * 64
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(DataError) as error:
        load(f"npz:{path}")
    assert_one_line(error, "bomb.npz")
