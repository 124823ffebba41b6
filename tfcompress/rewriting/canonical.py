"""What every loaded model is rewritten to."""

from __future__ import annotations

from tfcompress.rewriting.attention import split_heads
from tfcompress.rewriting.change import Change
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.grouped_convolutions import replace_grouped_convolutions
from tfcompress.rewriting.hard_swish import merge_hard_swish
from tfcompress.rewriting.separable import split_separable

_REWRITES = (
    split_separable,
    split_heads,
    replace_grouped_convolutions,
    merge_hard_swish,
)


def canonicalize(graph: Graph) -> list[Change]:
    """Rewrites what every technique would otherwise have to know about.

    Args:
      graph: is changed in place; its outputs stay equal, to rounding.

    Returns:
      What was done, in the order it was done.
    """
    return [change for rewrite in _REWRITES for change in rewrite(graph)]
