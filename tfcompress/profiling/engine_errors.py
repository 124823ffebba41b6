"""The error for a .tflite file that an engine cannot run: why, and what helps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tfcompress.errors import ModelError
from tfcompress.profiling.tflite_graph import read_tflite


def cannot_run(
    engine: str, paths: Iterable[str | Path], said: Sequence[str]
) -> ModelError:
    """Returns an error that tells damage from an operator that an engine refuses.

    Args:
      engine: its name, for people.
      paths: of the files that it was given.
      said: what it said, a line each; one at least.

    Returns:
      Of one line. A file that is missing or damaged is told to be; else the line is
      chosen that names an operator of the files, if one does.
    """
    names = list(map(str, paths))
    operators: set[str] = set()
    for path in names:
        try:
            graphs = read_tflite(path)
        except ModelError as error:
            return ModelError(f"{engine} cannot run {path}: {error}")
        # That of others has its own name, behind CUSTOM.
        ops = {op.name for graph in graphs for op in graph.ops}
        operators.update(part for op in ops for part in op.split(":"))
    reason, mend = said[0], "convert the model again"
    for line in said:
        if refused := _named_in(line, operators):
            reason = line
            mend = (
                f"replace the layer that {refused} comes from, or convert the model "
                "to other operators"
            )
            break
    return ModelError(
        f"{engine} cannot run {' and '.join(names)}: {reason.rstrip('.')}; {mend}"
    )


def _named_in(line: str, operators: Iterable[str]) -> str | None:
    """Returns the operator that a line names, the longest that fits."""
    for name in sorted(operators, key=lambda name: (-len(name), name)):
        # tf2onnx puts TFL_ before the name.
        if re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9_])", line):
            return name
    return None
