import numpy as np
import pytest
import tiny

import tfcompress as tfc
from tfcompress.data.calibration import (
    class_balanced_indices,
    held_out_indices,
    with_validation_sample,
)
from tfcompress.errors import DataError, InvalidArgumentError


def test_classes_differ_by_at_most_one():
    labels = np.repeat([0, 1, 2], [50, 7, 20])
    chosen = class_balanced_indices(labels, 20, seed=1)
    assert sorted(np.bincount(labels[chosen]).tolist()) == [6, 7, 7]
    assert (np.diff(chosen) > 0).all()


def test_small_class_gives_all_and_others_fill_up():
    labels = np.repeat([0, 1, 2], [50, 2, 20])
    chosen = class_balanced_indices(labels, 20, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [9, 2, 9]


def test_all_are_chosen_when_there_are_fewer():
    assert class_balanced_indices(np.array([1, 0, 1]), 9, seed=0).tolist() == [0, 1, 2]


def test_seed_decides_the_choice():
    labels = np.arange(100) % 5
    first = class_balanced_indices(labels, 10, seed=0)
    assert (first == class_balanced_indices(labels, 10, seed=0)).all()
    assert (first != class_balanced_indices(labels, 10, seed=1)).any()


def test_held_out_takes_the_fraction_of_every_class():
    labels = np.repeat([0, 1, 2], [40, 10, 3])
    chosen = held_out_indices(labels, 0.1, seed=0)
    # 4 of 40, 1 of 10, and at least one of 3.
    assert np.bincount(labels[chosen]).tolist() == [4, 1, 1]
    assert (chosen == held_out_indices(labels, 0.1, seed=0)).all()
    assert (chosen != held_out_indices(labels, 0.1, seed=1)).any()


def test_held_out_never_takes_the_last_image_of_a_class():
    labels = np.repeat([0, 1], [1, 2])
    assert labels[held_out_indices(labels, 0.99, seed=0)].tolist() == [1]


def test_a_part_of_the_validation_split_has_all_classes():
    data = tiny.data(validation_fraction=0.5)
    part = with_validation_sample(data, 7, seed=0)
    # 3 classes; of training images as many as before.
    assert sorted(np.bincount(part.validation.labels)) == [2, 2, 3]
    assert len(part.train) == len(data.train) and len(data.validation) == 36


def test_a_seed_that_is_none_is_refused():
    with pytest.raises(InvalidArgumentError, match="seed='a' must be a whole number"):
        tiny.data().calibration(8, seed="a")
    with pytest.raises(InvalidArgumentError, match="seed=-1 must be a whole number"):
        held_out_indices(np.array([0, 0, 1, 1]), 0.5, seed=-1)


def test_too_few_images_are_refused_unless_asked_for():
    images, labels = tiny.arrays(num_per_class=2)
    part = images, labels
    data = tfc.data.from_arrays(part, validation=part, test=part)
    # 3 classes of 2 images.
    with pytest.raises(DataError, match="arrays: 6 training images are too few") as e:
        tfc.export_tflite(tiny.model(), "never.tflite", data)
    assert "num_images=6" in str(e.value) and "\n" not in str(e.value)
    assert data.calibration(6).images.shape == (6, 8, 8, 1)
    # Two more images, and a sample may be all there are.
    part = tuple(np.concatenate([array, array[:2]]) for array in part)
    more = tfc.data.from_arrays(part, validation=part, test=part)
    assert len(more.calibration(256).indices) == 8
