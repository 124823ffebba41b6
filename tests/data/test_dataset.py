import itertools
from dataclasses import replace

import numpy as np
import pytest

from tfcompress.data import Augmentation, from_arrays
from tfcompress.data.views import Views
from tfcompress.errors import InvalidArgumentError

AUGMENTATION = Augmentation(shift=2, horizontal_flip=True, erase=3, brightness=0.1)


def make(augmentation=None, num=60, dtype=np.uint8):
    """Images whose first pixel tells their index in train."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (num, 8, 8, 1), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(num)
    if dtype != np.uint8:
        images = images.astype(dtype)
    pair = (images, np.arange(num) % 3)
    return from_arrays(pair, pair, pair, augmentation=augmentation)


def take(data, batch_size, count, seed=0, first_epoch=0):
    batches = data.train_batches(batch_size, seed, first_epoch)
    return [(x.numpy(), y.numpy()) for x, y in batches.take(count)]


def index_of(images):
    return np.rint(images[:, 0, 0, 0] * 255).astype(int)


def test_epoch_holds_every_image_once_with_its_label():
    data = make()
    assert data.steps_per_epoch(16) == 4  # ceil(60 / 16)
    batches = take(data, 16, 8)
    assert [len(x) for x, _ in batches] == [16, 16, 16, 12] * 2
    for epoch in (batches[:4], batches[4:]):
        indices = np.concatenate([index_of(x) for x, _ in epoch])
        labels = np.concatenate([y for _, y in epoch])
        assert sorted(indices) == list(range(60))
        assert (labels == indices % 3).all()
    first, second = batches[0][0], batches[4][0]
    assert (index_of(first) != index_of(second)).any()


def test_bytes_are_scaled_and_floats_taken_as_they_are():
    images, labels = take(make(), 60, 1)[0]
    assert (images.dtype, labels.dtype) == (np.float32, np.int32)
    assert (images.min(), images.max()) == (0, 1)
    floats, _ = take(make(dtype=np.float64), 60, 1)[0]
    assert floats.dtype == np.float32
    assert floats.max() == 255


def test_resumed_epoch_equals_the_uninterrupted_one():
    data = make(AUGMENTATION)
    whole = take(data, 16, 12, seed=7)
    resumed = take(data, 16, 4, seed=7, first_epoch=2)
    for (x, y), (x_again, y_again) in zip(whole[8:], resumed, strict=True):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)


def test_order_and_augmentation_do_not_depend_on_the_batch_size():
    data = make(AUGMENTATION)
    parts = np.concatenate([x for x, _ in take(data, 13, 5, seed=3)])
    (whole, _), *_ = take(data, 60, 1, seed=3)
    np.testing.assert_array_equal(parts, whole)


def test_seed_and_epoch_change_the_augmentation():
    grey = np.full((60, 8, 8, 1), 0.5, np.float32)
    pair = (grey, np.arange(60) % 3)
    data = from_arrays(pair, pair, pair, augmentation=Augmentation(brightness=0.3))

    def deltas(seed, epoch):
        images, _ = take(data, 60, 1, seed, epoch)[0]
        assert (images == images[:, :1, :1]).all()
        return np.sort(images[:, 0, 0, 0] - 0.5)

    first = deltas(0, 0)
    assert np.unique(first).size > 50
    assert 0.25 < np.abs(first).max() <= 0.3
    assert (first == deltas(0, 0)).all()
    assert (first != deltas(0, 1)).any()
    assert (first != deltas(1, 0)).any()


def test_views_come_in_turn_with_their_values():
    data = make(AUGMENTATION)
    values = tuple(
        np.stack([np.arange(60) + 1000 * view, np.full(60, view)], axis=1)
        for view in range(2)
    )
    views = Views(11, values)
    shown = [
        np.concatenate([x for x, _ in data.view_batches(11, view, batch_size=25)])
        for view in range(2)
    ]
    assert not np.array_equal(shown[0], shown[1])
    batches = data.train_batches(16, seed=4, first_epoch=1, views=views).take(12)
    seen = [[], []]
    for place, ((images, value), labels) in enumerate(batches):
        view = (1 + place // 4) % 2  # four batches an epoch, epochs 1 to 3
        assert (value[:, 1] == view).numpy().all()
        indices = value[:, 0].numpy() - 1000 * view
        np.testing.assert_array_equal(images, shown[view][indices])
        np.testing.assert_array_equal(labels, indices % 3)
        seen[view] += indices.tolist()
    assert sorted(seen[0]) == list(range(60))
    assert sorted(seen[1]) == sorted(2 * list(range(60)))


def test_augmentation_is_for_training_only():
    data = make(AUGMENTATION)
    images = np.concatenate([x for x, _ in data.batches("train", 25)])
    np.testing.assert_allclose(images, data.train.images / 255, atol=1e-6)


def test_batches_are_finite_and_in_order():
    data = make()
    got = [(len(x), y.numpy()) for x, y in data.batches("validation", 25)]
    assert [size for size, _ in got] == [25, 25, 10]
    labels = np.concatenate([y for _, y in got])
    assert (labels == data.validation.labels).all()


def test_stream_outlives_its_data_set():
    stream = iter(make().train_batches(60, 0))
    sizes = [len(x) for x, _ in itertools.islice(stream, 3)]
    assert sizes == [60, 60, 60]


def test_calibration_is_balanced_recorded_and_from_train():
    data = make()
    sample = data.calibration(num_samples=9, seed=5)
    indices = list(sample.indices)
    assert np.bincount(data.train.labels[indices]).tolist() == [3, 3, 3]
    assert sample.images.dtype == np.float32
    np.testing.assert_allclose(
        sample.images, data.train.images[indices] / 255, atol=1e-6
    )
    assert data.calibration(9, seed=5).indices == sample.indices
    assert data.calibration(9, seed=6).indices != sample.indices
    assert len(data.calibration(1000).indices) == 60


def test_summary_counts():
    assert make().summary() == {
        "name": "arrays",
        "num_train": 60,
        "num_validation": 60,
        "num_test": 60,
        "input_shape": [8, 8, 1],
        "num_classes": 3,
    }


def test_summary_shows_skipped_files_up_to_twenty():
    names = tuple(f"{index}.png" for index in range(25))
    summary = replace(make(), skipped=names).summary()
    assert summary["skipped"] == list(names[:20])
    assert summary["num_skipped"] == 25


def changed(data, split, what):
    part = getattr(data, split)
    values = getattr(part, what).copy()
    values.flat[-1] ^= 1
    return replace(data, **{split: replace(part, **{what: values})})


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("what", ["images", "labels"])
def test_fingerprint_sees_every_byte_of_every_split(split, what):
    data = make()
    assert changed(data, split, what).fingerprint != data.fingerprint


def test_fingerprint_is_of_content_and_augmentation_alone():
    data = make()
    assert data.fingerprint == replace(make(), name="other").fingerprint
    assert int(data.fingerprint, 16) < 2**256 == 16 ** len(data.fingerprint)
    assert data.fingerprint is data.fingerprint
    others = [make(AUGMENTATION), make(dtype=np.float32), data.limited(num_train=30)]
    prints = {data.fingerprint, *(other.fingerprint for other in others)}
    assert len(prints) == 4


def test_wrong_arguments_are_refused():
    data = make()
    with pytest.raises(InvalidArgumentError, match="no split 'tests'"):
        data.batches("tests")
    for wrong in (0, -1, 2.5, True):
        with pytest.raises(InvalidArgumentError, match="batch_size="):
            data.train_batches(wrong, seed=0)
        with pytest.raises(InvalidArgumentError, match="batch_size="):
            data.batches("test", wrong)
        with pytest.raises(InvalidArgumentError, match="num_samples="):
            data.calibration(wrong)


def test_pixels_come_in_the_range_that_the_model_expects():
    unit = make(AUGMENTATION)
    wide = replace(unit, value_range=(-1.0, 3.0))
    pairs = [*zip(take(unit, 16, 4), take(wide, 16, 4), strict=True)]
    pairs += zip(unit.batches("test", 16), wide.batches("test", 16), strict=True)
    for (images, labels), (others, same) in pairs:
        np.testing.assert_allclose(others, 4 * np.asarray(images) - 1, atol=1e-6)
        np.testing.assert_array_equal(labels, same)
    images, others = (x.calibration(8).images for x in (unit, wide))
    np.testing.assert_allclose(others, 4 * images - 1, atol=1e-6)
    assert unit.fingerprint != wide.fingerprint
