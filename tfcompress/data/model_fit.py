"""A check that a model and a data set belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfcompress.data.dataset import Dataset
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.field_types import describe_value


def check_model_fits(model: Any, data: Dataset) -> None:
    """Raises unless the model takes the data's images and gives a logit a class.

    Args:
      model: a Keras model with `input_shape` and `output_shape`: a tuple, or several
        where it takes or gives several tensors.
      data: the data set it is to be trained or measured on.

    Raises:
      InvalidArgumentError: the data is none.
      ModelError: it is no model, or input or output does not fit; the message says
        both shapes, or types.
    """
    if not isinstance(data, Dataset):
        raise InvalidArgumentError(
            f"{describe_value(data)} was given for the data; expected a data set, as "
            "tfc.data.load(name) returns it"
        )
    if not hasattr(model, "input_shape"):
        raise ModelError(
            f"{describe_value(model)} was given for the model; expected a Keras "
            "model: load a file with tfcompress.load_model first"
        )
    takes, gives = model.input_shape, model.output_shape
    name = getattr(model, "name", "model")
    for what, shape, one in (
        ("inputs", takes, f"{data.input_shape} (height, width, channels)"),
        ("outputs", gives, f"({data.num_classes},) logits"),
    ):
        if not isinstance(shape, tuple):
            raise ModelError(
                f"Model {name!r} has {what} of shapes {shape}; expected one, of "
                f"{one}: cut it down to keras.Model(image, logits), and convert that "
                "if a file is wanted."
            )
    fits = len(takes) == 4 and all(
        side in (None, size)
        for side, size in zip(takes[1:], data.input_shape, strict=True)
    )
    if not fits:
        raise ModelError(
            f"Model {name!r} takes inputs of shape {takes[1:]} but the images of "
            f"{data.name} are {data.input_shape} (height, width, channels); build it "
            "for them, or load the data with image_size and channels that fit."
        )
    if gives[1:] != (data.num_classes,):
        raise ModelError(
            f"Model {name!r} gives outputs of shape {gives[1:]} but {data.name} has "
            f"{data.num_classes} classes; its last layer must give {data.num_classes} "
            "logits."
        )
    check_input_type(model, data)


def check_input_type(model: Any, data: Dataset) -> None:
    """Raises ModelError if the model takes whole numbers, but pixels are given as less.

    Keras would cut all of them to 0 and say nothing.

    Args:
      model: a Keras model; of any other, no type is known.
      data: images that are no pixels are shown as they are.
    """
    dtype = getattr(getattr(model, "input", None), "dtype", None)
    images = data.train.images
    are_pixels = not isinstance(images, np.ndarray) or images.dtype == np.uint8
    low, high = data.value_range
    if dtype and tf.as_dtype(dtype).is_integer and are_pixels and high - low < 255:
        raise ModelError(
            f"Model {model.name!r} takes {tf.as_dtype(dtype).name}, which would cut "
            f"the pixels of {data.name}, given in [{low:g}, {high:g}], to whole "
            "numbers; load the data with value_range=(0, 255), or build the model for "
            "float32."
        )
