"""Corruptions: what happens to images in the world, at five strengths each.

Every function takes float32 images in [0, 1] of shape `(batch, height, width,
channels)`, the amount of its strength, and two uniform numbers in [0, 1) for each
image, of which it is a pure function: what happens to an image does not depend on the
images beside it. It returns images of the same shape, in [0, 1]. Lengths are shares of
the shorter side, so that a strength means as much to a small image as to a large one.
What moves into view is the image mirrored at its edge. `formulas.py` has the amounts.

References:
  Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions
  and Perturbations, arXiv:1903.12261, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import tensorflow as tf

Apply = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

NUM_DRAWS = 2
_GREY = 0.5


def brightness(images: tf.Tensor, amount: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Adds the amount to every pixel: `clip(x + amount, 0, 1)`."""
    del draws
    return _clip(images + amount)


def contrast(images: tf.Tensor, amount: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Shrinks to the mean of image and channel: `clip(mean + amount * (x - mean))`."""
    del draws
    mean = tf.reduce_mean(images, axis=[1, 2], keepdims=True)
    return _clip(mean + amount * (images - mean))


def rotation(images: tf.Tensor, amount: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Turns about the centre by that many degrees, to the left or right by chance."""
    sign = tf.where(draws[:, 0] < 0.5, -1.0, 1.0)
    angle = sign * amount * (math.pi / 180)
    cos, sin = tf.cos(angle), tf.sin(angle)
    shape = tf.cast(tf.shape(images), tf.float32)
    middle_y, middle_x = (shape[1] - 1) / 2, (shape[2] - 1) / 2
    return _transform(
        images,
        [cos, -sin, middle_x - cos * middle_x + sin * middle_y],
        [sin, cos, middle_y - sin * middle_x - cos * middle_y],
    )


def translation(images: tf.Tensor, amount: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Moves by that share of the side, in any direction, to whole pixels."""
    distance = amount * _side(images)
    direction = 2 * math.pi * draws[:, 0]
    across = tf.round(distance * tf.cos(direction))
    down = tf.round(distance * tf.sin(direction))
    one, zero = tf.ones_like(across), tf.zeros_like(across)
    return _transform(images, [one, zero, across], [zero, one, down])


def occlusion(images: tf.Tensor, amount: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Covers a grey (0.5) square whose side is that share, anywhere in the image."""
    side = tf.round(amount * _side(images))

    def covered(draw: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        size = tf.cast(size, tf.float32)
        first = tf.floor(draw * (size - side + 1))[:, None]
        place = tf.range(size)[None]
        return (place >= first) & (place < first + side)

    rows = covered(draws[:, 0], tf.shape(images)[1])[:, :, None, None]
    columns = covered(draws[:, 1], tf.shape(images)[2])[:, None, :, None]
    return tf.where(rows & columns, _GREY, images)


def gaussian_noise(images: tf.Tensor, amount: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Adds normal noise of that standard deviation: `clip(x + amount * N(0, 1))`."""
    return _clip(images + amount * noise(tf.random.stateless_normal, images, draws))


def blur(images: tf.Tensor, amount: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Convolves with a Gaussian whose standard deviation is that share of the side."""
    del draws
    sigma = amount * _side(images)
    # Both sides are longer: no more than an image can be mirrored at its edge.
    radius = tf.minimum(tf.math.ceil(3 * sigma), _side(images) - 1)
    place = tf.range(-radius, radius + 1)
    weights = tf.exp(-0.5 * tf.square(place / sigma))
    weights /= tf.reduce_sum(weights)
    pad = tf.repeat(tf.cast(radius, tf.int32), 2)
    for axis in (1, 2):
        paddings = tf.tensor_scatter_nd_update(
            tf.zeros([4, 2], tf.int32), [[axis]], [pad]
        )
        shape = [-1, 1, 1, 1] if axis == 1 else [1, -1, 1, 1]
        kernel = tf.tile(tf.reshape(weights, shape), [1, 1, images.shape[3], 1])
        images = tf.nn.depthwise_conv2d(
            tf.pad(images, paddings, "REFLECT"), kernel, [1, 1, 1, 1], "VALID"
        )
    return _clip(images)


def jpeg(images: tf.Tensor, amount: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Stores as JPEG of that quality; images have 1 or 3 channels."""
    del draws
    quality = tf.cast(amount, tf.int32)
    pixels = tf.cast(tf.round(images * 255), tf.uint8)
    stored = tf.map_fn(
        lambda image: tf.image.adjust_jpeg_quality(image, quality), pixels
    )
    return tf.ensure_shape(tf.cast(stored, tf.float32) / 255, images.shape)


def noise(
    draw: Callable[..., tf.Tensor], images: tf.Tensor, draws: tf.Tensor
) -> tf.Tensor:
    """Returns random numbers in the shape of the images, from the draws of each alone.

    Args:
      draw: a stateless generator of TensorFlow.
      images: for their shape.
      draws: uniform in [0, 1), of shape `(batch, 2)`.
    """
    seeds = tf.cast(draws * 2**24, tf.int32)
    shape = tf.shape(images)[1:]
    return tf.map_fn(
        lambda seed: draw(shape, seed), seeds, fn_output_signature=tf.float32
    )


CORRUPTIONS: Mapping[str, Apply] = {
    "brightness": brightness,
    "contrast": contrast,
    "rotation": rotation,
    "translation": translation,
    "occlusion": occlusion,
    "gaussian_noise": gaussian_noise,
    "blur": blur,
    "jpeg": jpeg,
}


def _clip(images: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(images, 0.0, 1.0)


def _side(images: tf.Tensor) -> tf.Tensor:
    """Returns the shorter side in pixels, as a float."""
    return tf.cast(tf.reduce_min(tf.shape(images)[1:3]), tf.float32)


def _transform(
    images: tf.Tensor, row_x: list[tf.Tensor], row_y: list[tf.Tensor]
) -> tf.Tensor:
    """Reads the pixel (x, y) of the result at the place these affine rows give."""
    zeros = tf.zeros_like(row_x[0])
    matrix = tf.stack([*row_x, *row_y, zeros, zeros], axis=1)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=matrix,
        output_shape=tf.shape(images)[1:3],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )
    # Sums of four weights may be above 1 by a rounding.
    return _clip(tf.ensure_shape(moved, images.shape))
