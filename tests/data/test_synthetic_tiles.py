import numpy as np

import tfcompress as tfc
from tfcompress.data.synthetic_tiles import CLASS_NAMES, load_synthetic_tiles


def test_as_many_of_each_class_and_the_same_each_time():
    (images, labels), (test_images, test_labels) = load_synthetic_tiles()
    assert images.shape == (720, 64, 64, 3)
    assert images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [120] * 6
    assert np.bincount(test_labels).tolist() == [40] * 6
    again = load_synthetic_tiles()[1][0]
    np.testing.assert_array_equal(test_images, again)
    assert len({image.tobytes() for image in (*images, *test_images)}) == 960


def test_classes_differ_by_colour_or_by_texture():
    (images, labels), _ = load_synthetic_tiles()
    means = np.array([images[labels == c].mean((0, 1, 2)) for c in range(6)])
    # How much neighbouring pixels differ.
    steps = np.abs(np.diff(images.astype(float), axis=2)).mean((1, 2, 3))
    rough = np.array([steps[labels == c].mean() for c in range(6)])
    facts = np.column_stack([means, 3 * rough])
    distances = np.linalg.norm(facts[:, None] - facts[None], axis=-1)
    assert distances[~np.eye(6, dtype=bool)].min() > 15


def test_is_a_data_set_by_name():
    data = tfc.data.load("synthetic_tiles", num_train=60, num_test=30)
    assert data.input_shape == (64, 64, 3)
    assert data.class_names == CLASS_NAMES
    assert (len(data.train), len(data.test)) == (60, 30)
