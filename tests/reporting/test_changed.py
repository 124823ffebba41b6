import io
from dataclasses import replace

import numpy as np
import tiny
from PIL import Image

import tfcompress as tfc
from tfcompress.reporting.changed import changed_predictions, image_strip


def logits(*classes):
    return np.eye(3, dtype=np.float32)[list(classes)]


def test_lost_come_first_then_won_then_wrong_both_times():
    labels = np.array([0, 1, 2, 0, 1])
    # Unchanged; won; wrong both times; lost; unchanged and wrong.
    before, after = logits(0, 2, 0, 0, 2), logits(0, 1, 1, 2, 2)
    found = changed_predictions(before, after, labels)
    assert found == {
        "num_changed": 3,
        "num_lost": 1,
        "num_won": 1,
        "images": [
            {"index": 3, "label": 0, "before": 0, "after": 2},
            {"index": 1, "label": 1, "before": 2, "after": 1},
            {"index": 2, "label": 2, "before": 0, "after": 1},
        ],
    }


def test_all_are_counted_and_24_are_named():
    labels = np.zeros(30, int)
    found = changed_predictions(logits(*[0] * 30), logits(*[1] * 30), labels)
    assert found["num_changed"] == found["num_lost"] == 30
    assert [image["index"] for image in found["images"]] == list(range(24))


def test_nothing_changed():
    found = changed_predictions(logits(1, 2), logits(1, 2), np.array([0, 2]))
    assert found["num_changed"] == 0
    assert found["images"] == []


def test_images_stand_side_by_side_as_the_data_has_them():
    data = tiny.data()
    strip = np.asarray(Image.open(io.BytesIO(image_strip(data, [29, 0]))))
    assert strip.shape == (96, 2 * 96, 3)
    # Images of 8x8: each pixel becomes a square of 12.
    for place, index in enumerate((29, 0)):
        square = strip[6::12, 96 * place + 6 : 96 * (place + 1) : 12, 0].astype(int)
        difference = square - data.test.images[index][..., 0]
        # Rounding to whole numbers, downwards.
        assert np.abs(difference).max() <= 1


def test_long_images_keep_their_shape_and_range():
    images = np.full((2, 4, 8, 3), [[[[1.0, -1.0, 0.0]]]], np.float32)
    split = (np.tile(images, (4, 1, 1, 1)), np.array([0, 1] * 4))
    data = replace(tfc.data.from_arrays(split, split), value_range=(-1.0, 1.0))
    strip = np.asarray(Image.open(io.BytesIO(image_strip(data, [0]))))
    # 96 wide, 48 high, in the middle; white above and below.
    assert strip[48, 48].tolist() == [255, 0, 127]
    assert strip[23, 48].tolist() == strip[72, 48].tolist() == [255] * 3
    assert strip[24, 48].tolist() == strip[71, 48].tolist() == [255, 0, 127]
