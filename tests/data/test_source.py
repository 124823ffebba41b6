import numpy as np
import pytest

from tfcompress.data import Augmentation, Data, load
from tfcompress.errors import DataError, InvalidArgumentError


def test_embedded_set_is_ready_to_train():
    data = load("fashion_mnist_small", augmentation=Augmentation(shift=2))
    # A tenth of the 5,000 goes to validation.
    assert data.summary() == {
        "name": "fashion_mnist_small",
        "num_train": 4500,
        "num_validation": 500,
        "num_test": 2000,
        "input_shape": [28, 28, 1],
        "num_classes": 10,
    }
    assert np.bincount(data.validation.labels).tolist() == [50] * 10
    images, labels = next(iter(data.train_batches(128, seed=0)))
    assert images.shape == (128, 28, 28, 1)
    assert 0 <= labels.numpy().min() < labels.numpy().max() <= 9
    counts = np.bincount(data.train.labels[list(data.calibration(250).indices)])
    assert counts.tolist() == [25] * 10


def test_unknown_name_offers_the_nearest():
    with pytest.raises(DataError, match="did you mean 'fashion_mnist_small'"):
        load("fashion_mnist_smal")
    for name in ("cifar10", "folder:", "npz", ""):
        with pytest.raises(DataError, match=f"no data set '{name}'"):
            load(name)


def test_image_size_is_one_number_or_two():
    assert Data("folder:a", image_size=32) == Data("folder:a", image_size=[32, 32])
    assert Data("folder:a", image_size=(8, 9)).image_size == (8, 9)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"channels": 2}, "channels=2"),
        ({"image_size": 0}, r"image_size=\(0, 0\)"),
        ({"image_size": (3, 4, 5)}, "image_size=.3, 4, 5."),
        ({"image_size": "big"}, "image_size='big'"),
        ({"validation_fraction": 1.0}, "validation_fraction=1.0"),
        ({"seed": -1}, "seed=-1"),
        ({"augmentation": "shift"}, "must be an Augmentation"),
    ],
)
def test_option_outside_its_range_is_refused(option, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Data("folder:a", **option)


@pytest.mark.parametrize("option", [{"image_size": 8}, {"channels": 1}])
def test_folder_options_are_refused_elsewhere(option):
    with pytest.raises(InvalidArgumentError, match="are for folder:PATH"):
        load("fashion_mnist_small", **option)


@pytest.mark.parametrize("name", ["fashion_mnist_small", "folder:a", "npz:a.npz"])
def test_data_dir_is_refused_where_it_would_be_ignored(name):
    with pytest.raises(InvalidArgumentError, match="data_dir='a' is for fashion_mnist"):
        Data(name, data_dir="a")


def test_limits_are_class_balanced_and_leave_validation():
    whole = Data("fashion_mnist_small").load()
    part = Data("fashion_mnist_small", num_train=300, num_test=50).load()
    assert np.bincount(part.train.labels).tolist() == [30] * 10
    assert np.bincount(part.test.labels).tolist() == [5] * 10
    assert len(part.validation) == len(whole.validation)
    for number in (0, -1, 2.5):
        with pytest.raises(InvalidArgumentError, match="num_train"):
            Data("fashion_mnist_small", num_train=number).load()


def test_classes_are_kept_in_order_and_numbered_anew():
    whole = Data("fashion_mnist_small").load()
    part = Data("fashion_mnist_small", classes=[6, 2], num_test=50).load()
    assert part.num_classes == 2
    assert part.class_names == ("Shirt", "Pullover")
    assert np.bincount(part.test.labels).tolist() == [25, 25]
    for new, old in ((0, 6), (1, 2)):
        np.testing.assert_array_equal(
            part.train.images[part.train.labels == new],
            whole.train.images[whole.train.labels == old],
        )
    assert part.fingerprint != whole.fingerprint


@pytest.mark.parametrize("classes", [(1,), (1, 1), (1, 10), (-1, 2)])
def test_classes_that_are_no_choice_are_refused(classes):
    with pytest.raises(InvalidArgumentError, match="which are 0 to 9"):
        Data("fashion_mnist_small", classes=classes).load()


def test_the_range_of_pixels_is_a_setting():
    options = {"num_train": 30, "num_test": 30}
    loaded = Data("fashion_mnist_small", value_range=(0, 255), **options).load()
    images, _ = next(iter(loaded.batches("test", 30)))
    assert (images.numpy().min(), images.numpy().max()) == (0, 255)


@pytest.mark.parametrize("wrong", [(1, 0), (0, 0), (0, np.inf), (np.nan, 1)])
def test_a_range_that_is_none_is_refused(wrong):
    with pytest.raises(InvalidArgumentError, match="value_range"):
        Data("fashion_mnist_small", value_range=wrong)
