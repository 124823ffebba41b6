"""Which predictions compression changed, and a picture of the images behind them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

TILE_PIXELS = 96
_MAX_IMAGES = 24


class ChangedImages(NamedTuple):
    """Which predictions of a model are other ones than those of its baseline.

    Args:
      facts: as `changed_predictions` returns them.
      num_images: of the test set.
      picture: PNG of the images that the facts name; None where nothing changed.
    """

    facts: dict[str, Any]
    num_images: int
    picture: bytes | None


def changed_images(
    before: npt.NDArray[np.floating[Any]],
    after: npt.NDArray[np.floating[Any]],
    data: Dataset,
) -> ChangedImages:
    """Returns which test images two models call differently, and their picture.

    Args:
      before: logits of the baseline, shape `(num_examples, num_classes)`.
      after: logits of the other model, of the same shape.
      data: whose test split they are of.
    """
    facts = changed_predictions(before, after, data.test.labels)
    indices = [image["index"] for image in facts["images"]]
    picture = image_strip(data, indices) if indices else None
    return ChangedImages(facts, len(data.test), picture)


def changed_predictions(
    before: npt.NDArray[np.floating[Any]],
    after: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.integer[Any]],
) -> dict[str, Any]:
    """Finds the examples whose predicted class is another one after compression.

    Args:
      before: logits of the baseline, shape `(num_examples, num_classes)`.
      after: logits of the artifact, of the same shape.
      labels: class ids, shape `(num_examples,)`.

    Returns:
      JSON values: how many changed (`num_changed`), were right before (`num_lost`) and
      are right since (`num_won`), and of the first 24 their index, label and both
      predictions: the lost ones first, then the won.
    """
    old, new = before.argmax(axis=1), after.argmax(axis=1)
    lost, won = (old != new) & (old == labels), (old != new) & (new == labels)
    groups = (lost, won, (old != new) & ~lost & ~won)
    order = np.concatenate([np.flatnonzero(group) for group in groups])
    return {
        "num_changed": len(order),
        "num_lost": int(lost.sum()),
        "num_won": int(won.sum()),
        "images": [
            {
                "index": int(index),
                "label": int(labels[index]),
                "before": int(old[index]),
                "after": int(new[index]),
            }
            for index in order[:_MAX_IMAGES]
        ],
    }


def image_strip(data: Dataset, indices: Sequence[int]) -> bytes:
    """Returns test images side by side, each in a square of 96 pixels, as a PNG.

    Args:
      data: its `value_range` says what black and white are.
      indices: of the images, in order; at least one.
    """
    chosen = replace(data, test=data.test.take(np.asarray(indices)))
    images = np.concatenate(
        [images for images, _ in chosen.batches("test").as_numpy_iterator()]
    )
    low, high = data.value_range
    pixels = np.clip(255 * (images - low) / (high - low), 0, 255).astype(np.uint8)
    strip = Image.new("RGB", (TILE_PIXELS * len(pixels), TILE_PIXELS), "white")
    for place, array in enumerate(pixels):
        # Of images with other channels than red, green and blue, the first is shown.
        shown = array if array.shape[-1] == 3 else array[..., 0]
        picture = Image.fromarray(shown).convert("RGB")
        scale = TILE_PIXELS / max(picture.size)
        width, height = (max(1, round(scale * side)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX)
        corner = (TILE_PIXELS - width) // 2, (TILE_PIXELS - height) // 2
        strip.paste(picture, (place * TILE_PIXELS + corner[0], corner[1]))
    content = io.BytesIO()
    strip.save(content, "PNG", optimize=True)
    return content.getvalue()
