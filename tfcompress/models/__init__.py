"""Architectures: plain functions that return untrained Keras models with logits."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.models.ds_cnn import ds_cnn
from tfcompress.models.efficientnet import efficientnet_b0, efficientnet_lite0
from tfcompress.models.ghostnet import ghostnet
from tfcompress.models.mobilenet_v1 import mobilenet_v1, mobilenet_v1_tiny
from tfcompress.models.mobilenet_v2 import mobilenet_v2
from tfcompress.models.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from tfcompress.models.resnet import (
    resnet8,
    resnet18,
    resnet20,
    resnet34,
    resnet50,
    resnet56,
)
from tfcompress.models.shufflenet_v1 import shufflenet_v1
from tfcompress.models.shufflenet_v2 import shufflenet_v2
from tfcompress.models.squeezenet import squeezenet
from tfcompress.models.vgg import vgg16

__all__ = [
    "ARCHITECTURES",
    "build",
    "ds_cnn",
    "efficientnet_b0",
    "efficientnet_lite0",
    "ghostnet",
    "mobilenet_v1",
    "mobilenet_v1_tiny",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "resnet8",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet56",
    "shufflenet_v1",
    "shufflenet_v2",
    "squeezenet",
    "vgg16",
]

ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    function.__name__: function
    for function in (
        ds_cnn,
        efficientnet_b0,
        efficientnet_lite0,
        ghostnet,
        mobilenet_v1,
        mobilenet_v1_tiny,
        mobilenet_v2,
        mobilenet_v3_large,
        mobilenet_v3_small,
        resnet8,
        resnet18,
        resnet20,
        resnet34,
        resnet50,
        resnet56,
        shufflenet_v1,
        shufflenet_v2,
        squeezenet,
        vgg16,
    )
}


def build(
    name: str, input_shape: tuple[int, int, int], num_classes: int, **options: Any
) -> keras.Model:
    """Builds an architecture by its name.

    Args:
      name: one of `ARCHITECTURES`.
      input_shape: (height, width, channels).
      num_classes: number of logits.
      **options: further arguments of the architecture, such as `alpha`.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: no such architecture or option, or a value out of range.

    Example:
      >>> model = tfc.models.build("mobilenet_v1", (28, 28, 1), 10, alpha=0.25)
    """
    if name not in ARCHITECTURES:
        raise InvalidArgumentError(_no_such("architecture", name, list(ARCHITECTURES)))
    architecture = ARCHITECTURES[name]
    known = [
        parameter
        for parameter in inspect.signature(architecture).parameters
        if parameter not in ("input_shape", "num_classes")
    ]
    for option in options:
        if option not in known:
            raise InvalidArgumentError(_no_such(f"option of {name}", option, known))
    return architecture(input_shape, num_classes, **options)


def _no_such(kind: str, name: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {matches[0]!r}? " if matches else ""
    return f"no {kind} is named {name!r}: {hint}there are {', '.join(known)}"
