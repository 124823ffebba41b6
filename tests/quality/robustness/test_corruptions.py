import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcompress.quality.robustness.corruptions import CORRUPTIONS, noise
from tfcompress.quality.robustness.formulas import FORMULAS

RANDOM = np.random.default_rng(0)
DRAWS = np.array([[0.0, 0.999], [0.7, 0.3]], np.float32)


def smooth(height, width, channels, count=2):
    """Pictures with structure: JPEG and blur leave noise no shape to keep."""
    coarse = RANDOM.random((count, 5, 5, channels), np.float32)
    images = tf.image.resize(coarse, (height, width), "bicubic")
    return np.clip(images.numpy(), 0, 1)


def corrupt(name, images, amount, draws=DRAWS):
    apply = tf.function(CORRUPTIONS[name])
    amount = tf.constant(amount, tf.float32)
    return apply(tf.constant(images), amount, tf.constant(draws)).numpy()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_images_keep_their_form_and_suffer_more_from_more(name, channels):
    images = smooth(24, 32, channels)
    errors = []
    for amount in FORMULAS[name].amounts:
        changed = corrupt(name, images, amount)
        assert changed.shape == images.shape and changed.dtype == np.float32
        assert changed.min() >= 0 and changed.max() <= 1
        errors.append(np.abs(changed - images).mean())
    assert np.all(np.diff([0, *errors]) > 0)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_does_not_depend_on_those_beside_it(name):
    images, amount = smooth(9, 9, 1), FORMULAS[name].amounts[2]
    together = corrupt(name, images, amount)
    alone = corrupt(name, images[1:], amount, DRAWS[1:])
    np.testing.assert_allclose(together[1:], alone, atol=1e-6)


def test_brightness_is_added():
    images = np.full((1, 2, 2, 1), 0.3, np.float32)
    images[0, 0, 0] = 0.9
    changed = corrupt("brightness", images, 0.2)[0, :, :, 0]
    np.testing.assert_allclose(changed, [[1, 0.5], [0.5, 0.5]], atol=1e-6)


def test_contrast_shrinks_to_the_mean_of_each_channel():
    images = np.zeros((1, 1, 2, 2), np.float32)
    images[0, 0] = [[0, 0.2], [1, 0.6]]
    changed = corrupt("contrast", images, 0.4)[0, 0]
    # Means 0.5 and 0.4; 0.4 times -0.5, 0.5 and -0.2, 0.2.
    np.testing.assert_allclose(changed, [[0.3, 0.32], [0.7, 0.48]], atol=1e-6)


def test_rotation_turns_about_the_centre_either_way():
    images = np.repeat(smooth(9, 9, 3, 1), 2, axis=0)
    left, right = corrupt("rotation", images, 90)
    np.testing.assert_allclose(left, np.rot90(images[0], -1), atol=1e-4)
    np.testing.assert_allclose(right, np.rot90(images[0], 1), atol=1e-4)


def test_translation_goes_by_whole_pixels_and_mirrors_at_the_edge():
    images = smooth(8, 8, 1)
    # A quarter of 8 pixels; the first draw, 0, is the direction of x.
    changed = corrupt("translation", images, 0.25)[0]
    expected = images[0][:, [2, 3, 4, 5, 6, 7, 7, 6]]
    np.testing.assert_allclose(changed, expected, atol=1e-5)


def test_occlusion_is_a_grey_square_within_the_image():
    images = np.zeros((100, 8, 10, 1), np.float32)
    draws = RANDOM.random((100, 2), np.float32)
    changed = corrupt("occlusion", images, 0.5, draws)[..., 0]
    # Half of 8 pixels a side.
    assert np.all((changed == 0.5).sum(axis=(1, 2)) == 16)
    assert np.all((changed == 0.5).any(axis=2).sum(axis=1) == 4)
    # All 5 x 7 places are equally likely, so the outermost are seen.
    assert changed[:, 0].any() and changed[:, -1].any()
    assert changed[:, :, 0].any() and changed[:, :, -1].any()


def test_noise_has_its_standard_deviation_and_is_new_for_each_image():
    images = np.full((40, 28, 28, 1), 0.5, np.float32)
    draws = RANDOM.random((40, 2), np.float32)
    added = corrupt("gaussian_noise", images, 0.08, draws) - images
    # Of 31,360 draws the deviation is known to 0.4 %, one sigma.
    assert added.std() == pytest.approx(0.08, rel=0.02)
    assert abs(added.mean()) < 5 * 0.08 / np.sqrt(added.size)
    one, other = added[0].ravel(), added[1].ravel()
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.2


def test_noise_is_drawn_by_the_generator_that_is_given():
    values = noise(tf.random.stateless_uniform, tf.zeros((2, 9, 9, 1)), DRAWS).numpy()
    assert values.shape == (2, 9, 9, 1)
    assert values.min() >= 0 and values.max() < 1 and values.std() > 0.2


def test_blur_is_a_gaussian_of_its_width():
    images = np.zeros((1, 21, 41, 1), np.float32)
    images[0, 10, 20] = 1
    # 0.05 of 21 pixels, cut off at three sigma, which is 3.15: at 4 pixels.
    weights = np.exp(-0.5 * (np.arange(-4, 5) / (0.05 * 21)) ** 2)
    weights /= weights.sum()
    changed = corrupt("blur", images, 0.05, DRAWS[:1])[0, :, :, 0]
    inside = np.outer(weights, weights)
    np.testing.assert_allclose(changed[6:15, 16:25], inside, atol=1e-6)
    assert changed.sum() == pytest.approx(1, abs=1e-5)


def test_blur_leaves_an_even_image_even():
    images = np.full((1, 2, 3, 1), 0.4, np.float32)
    changed = corrupt("blur", images, 0.9, DRAWS[:1])
    np.testing.assert_allclose(changed, images, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_another_encoder_makes(channels):
    images = smooth(24, 32, channels)
    changed = corrupt("jpeg", images, 18)
    for given, ours in zip(images, changed, strict=True):
        pixels = np.round(given * 255).astype(np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(content, "JPEG", quality=18)
        theirs = np.asarray(Image.open(content)).reshape(given.shape) / 255
        # Both are libjpeg, with another discrete cosine transform.
        assert np.abs(ours - theirs).mean() < 2 / 255
