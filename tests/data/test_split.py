import numpy as np

from tfcompress.data.split import Split


def make(num=30):
    images = np.arange(num, dtype=np.uint8).reshape(num, 1, 1, 1)
    return Split(images, np.arange(num) % 3)


def test_take_keeps_the_order_asked_for():
    part = make().take(np.array([7, 2]))
    assert len(part) == 2
    assert part.images.ravel().tolist() == [7, 2]
    assert part.labels.tolist() == [1, 2]


def test_divide_holds_out_the_same_share_of_every_class():
    kept, held_out = make().divide(0.2, seed=1)
    # A fifth of the ten images of each class.
    assert np.bincount(held_out.labels).tolist() == [2, 2, 2]
    both = np.concatenate([kept.images.ravel(), held_out.images.ravel()])
    assert sorted(both) == list(range(30))


def test_digest_is_of_images_labels_and_their_form():
    split = make()
    digests = {
        split.digest(),
        Split(split.images + 1, split.labels).digest(),
        Split(split.images, split.labels[::-1]).digest(),
        Split(split.images.reshape(30, 1, 1, 1).view(np.int8), split.labels).digest(),
        Split(split.images.reshape(15, 2, 1, 1), split.labels).digest(),
    }
    assert len(digests) == 5
    assert split.digest() == make().digest()
