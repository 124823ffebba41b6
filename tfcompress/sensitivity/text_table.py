"""Tables for people, as text."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfcompress.profiling.profile import visible_text


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table as wide as the terminal; what has no room goes on below.

    Args:
      headings: of the columns; cells of the first one are never broken.
      rows: cells, as many as there are headings; control characters are made visible.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading == headings[0], overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible_text(cell)) for cell in row))
    text = io.StringIO()
    width = shutil.get_terminal_size((120, 24)).columns
    Console(file=text, width=width).print(table)
    return text.getvalue().rstrip()
