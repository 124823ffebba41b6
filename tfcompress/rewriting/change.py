"""What a rewrite did to a layer, said for people."""

from typing import NamedTuple


class Change(NamedTuple):
    """One rewrite of one layer.

    Attributes:
        layer: The layer's name in the model before the rewrite.
        text: What was done, as ends the sentence "this layer was ...", such as
            "rewritten to DepthwiseConv2D 1x1".

    Example:
        >>> Change("scale", "merged into conv")
        Change(layer='scale', text='merged into conv')
    """

    layer: str
    text: str
