"""A diagnosis for the terminal: verdict, table, notes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tfcompress.diagnosis import (
    NOTHING_TO_DO,
    TECHNIQUES,
    Diagnosis,
    LayerDiagnosis,
)
from tfcompress.profiling.profile import shape_text, visible_text

_HEADINGS = {
    "pruning": "prune",
    "channel_pruning": "channels",
    "clustering": "clusters",
    "qat": "QAT",
    "int8_export": "int8",
}
# From here on the reasons stand in the table itself.
_WIDE = 160


def diagnosis_table(diagnosis: Diagnosis, width: int) -> RenderableType:
    """Returns what to print: rich escapes nothing in it, as all of it is plain text.

    A technique that treats all layers alike gets a line instead of a column. In a
    narrow table, reasons are numbered and stand below.

    Args:
      diagnosis: what to show.
      width: of the terminal, in characters.

    Example:
      >>> rich.print(diagnosis_table(tfc.diagnose(model), 120))
    """
    alike = _alike(diagnosis)
    shown = [name for name in TECHNIQUES if name not in alike]
    wide = width >= _WIDE
    notes = _Notes(diagnosis)
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), pad_edge=False)
    table.add_column("layer", overflow="fold")
    table.add_column("type", overflow="fold")
    table.add_column("output", justify="right")
    table.add_column("params", justify="right")
    for name in shown:
        table.add_column(_HEADINGS[name], overflow="fold")
    cells = _whole if wide else notes.numbered
    for row in diagnosis.rows:
        table.add_row(
            Text(visible_text(row.name)),
            Text(visible_text(row.type)),
            shape_text(row.output_shape),
            f"{row.params:,}" if row.params else "",
            *cells(row, shown),
        )
    title = Text(visible_text(diagnosis.source), style="bold")
    verdict = Text(visible_text(diagnosis.verdict))
    lines = [*notes.lines(), *_alike_lines(alike), *_changes(diagnosis)]
    if diagnosis.unchecked:
        lines.append(
            f"Its outputs were not compared with the original's: {diagnosis.unchecked}."
        )
    below = [Text(visible_text(line)) for line in lines]
    return Group(title, verdict, "", table, "", *below)


def _alike(diagnosis: Diagnosis) -> dict[str, str]:
    """Returns the refusal that all layers share, by technique."""
    alike = {}
    for name in TECHNIQUES:
        texts = {getattr(row, name) for row in diagnosis.rows} - {NOTHING_TO_DO}
        if len(texts) == 1 and (text := texts.pop()).startswith("no: "):
            alike[name] = text.removeprefix("no: ")
    return alike


def _whole(row: LayerDiagnosis, shown: Sequence[str]) -> list[Text]:
    """Returns the answers for a layer as they are; the same reason only once."""
    texts = {name: getattr(row, name) for name in shown}
    if row.qat.startswith("no") and row.int8_export == row.qat and "qat" in texts:
        texts["int8_export"] = "no"
    return [Text(visible_text(text), style=_style(text)) for text in texts.values()]


class _Notes:
    """Reasons by number; what differs in names of layers alone has one number."""

    def __init__(self, diagnosis: Diagnosis):
        self._names = {row.name for row in diagnosis.rows}
        # By what is the same in all of them, what is said of each layer.
        self._texts: dict[str, dict[str, str]] = {}

    def numbered(self, row: LayerDiagnosis, shown: Sequence[str]) -> list[Text]:
        """Returns the answers for a layer, each shortened to a word and a number."""
        return [self._short(row.name, getattr(row, name)) for name in shown]

    def lines(self) -> list[str]:
        """Returns the reasons that were numbered."""
        lines = []
        for number, (general, texts) in enumerate(self._texts.items(), 1):
            different = set(texts.values())
            text = general if len(different) > 1 else different.pop()
            lines.append(f"[{number}] {text} ({_count(len(texts))})")
        return lines

    def _short(self, layer: str, text: str) -> Text:
        if text in ("yes", NOTHING_TO_DO):
            return Text(text, style=_style(text))
        general = re.sub(rf"(?<!\w){re.escape(layer)}_", "*_", text)
        words = ["*" if word in self._names else word for word in general.split(" ")]
        general = " ".join(words)
        self._texts.setdefault(general, {})[layer] = text
        number = list(self._texts).index(general) + 1
        kind = "no" if text.startswith("no") else "yes"
        return Text(f"{kind} [{number}]", style=_style(text))


def _style(text: str) -> str:
    if text == NOTHING_TO_DO:
        return ""
    return "green" if text == "yes" else "red" if text.startswith("no") else "yellow"


def _alike_lines(alike: dict[str, str]) -> list[str]:
    by_reason = defaultdict(list)
    for name, reason in alike.items():
        by_reason[reason].append(name.replace("_", " "))
    return [
        f"{', '.join(names).capitalize()}: {reason}."
        for reason, names in by_reason.items()
    ]


def _changes(diagnosis: Diagnosis) -> list[str]:
    by_text = defaultdict(list)
    for layer, text in diagnosis.changes:
        by_text[text].append(layer)
    lines = []
    for text, names in by_text.items():
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        lines.append(f"While loading: {text} ({_count(len(names))}: {some})")
    return lines


def _count(number: int) -> str:
    return "1 layer" if number == 1 else f"{number} layers"
