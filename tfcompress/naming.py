"""Names made of class names."""

from __future__ import annotations

import re


def snake_case(name: str) -> str:
    """Returns `depthwise_conv2d` for `DepthwiseConv2D`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
