"""A finished run as it is read back from its folder, which may be a stranger's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfcompress.errors import TfcompressError, WorkdirError
from tfcompress.profiling import Profile, profile
from tfcompress.quality.robustness.result import Robustness
from tfcompress.reporting.figures import Row, figures_of
from tfcompress.reporting.report import Report
from tfcompress.storage import read_json

CHANGED_IMAGES = "changed_images.png"


@dataclass(frozen=True)
class FinishedRun:
    """What a run folder holds.

    Args:
      name: of the folder, as it was given.
      folder: where it is.
      report: its `report.json`.
      settings: of recipe, data and environment, by dotted path.
      before: profile of `baseline.tflite`.
      after: profile of `model.tflite`, with the layers' names as the audit has them.
    """

    name: str
    folder: Path
    report: Report
    settings: Mapping[str, Any]
    before: Profile
    after: Profile

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> FinishedRun:
        """Reads a run folder; nothing in it is executed, and neither file is run.

        Raises:
          WorkdirError: the run is not finished, or a file of it is damaged.
          ModelError: one of its two model files is damaged or gone.
        """
        folder = Path(folder)
        path = folder / "report.json"
        if not path.is_file():
            raise WorkdirError(
                f"the run in {folder} has no report.json, as it is not finished; run "
                "the same command again, and it goes on"
            )
        with undamaged(folder):
            report = Report.from_dict(read_json(path), path)
            recipe = read_json(folder / "recipe.json")["recipe"]
            parts = {
                "recipe": recipe,
                "data": report.data,
                "environment": report.environment,
            }
            run = cls(
                name=str(folder),
                folder=folder,
                report=report,
                settings=dict(_flat(parts)),
                before=profile(folder / "baseline.tflite", latency=False),
                after=_named(
                    profile(folder / "model.tflite", latency=False),
                    report.artifact.get("precisions", []),
                ),
            )
            # What all views of a report need is missed here, and not half-way.
            report.to_markdown()
            run.rows()
        return run

    def rows(self) -> tuple[Row, Row]:
        """Returns the artifact and the baseline, with what the run measured."""
        artifact, baseline = self.report.artifact, self.report.baseline
        times = artifact["latency_ms"], baseline["tflite"]["latency_ms"]
        after = figures_of(self.after, artifact["top1"], times[0]["p50"])
        before = figures_of(self.before, baseline["top1"], times[1]["p50"])
        return (
            Row(self.name, "artifact", after),
            Row(f"{self.name} (baseline)", "baseline", before),
        )

    def robustness(self) -> Robustness | None:
        """Returns what the run measured of it; None where it was not asked for.

        Raises:
          WorkdirError: the report is not what a run writes.
        """
        values = self.report.artifact.get("robustness")
        with undamaged(self.folder):
            return None if values is None else Robustness.from_dict(values["result"])

    def files(self) -> dict[str, Path]:
        """Returns the paths of the two files by the names of their rows."""
        paths = (self.folder / "model.tflite", self.folder / "baseline.tflite")
        rows = self.rows()
        return {row.name: path for row, path in zip(rows, paths, strict=True)}


def is_run(path: Path) -> bool:
    """Returns whether a path is the folder of a run, finished or not."""
    return any((path / name).is_file() for name in ("report.json", "recipe.json"))


@contextmanager
def undamaged(folder: Path) -> Iterator[None]:
    """Turns what a report of the wrong shape causes into a `WorkdirError`."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, TfcompressError):
            raise
        what = f"{type(error).__name__}: {error}"
        raise WorkdirError(
            f"{folder / 'report.json'} or recipe.json beside it is not what a run "
            f"writes ({what}); run the recipe again on that folder"
        ) from error


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the leaves of nested JSON values by dotted path."""
    if isinstance(value, Mapping) and value:
        items = list(value.items())
    elif isinstance(value, list) and any(isinstance(x, Mapping) for x in value):
        items = [(str(place), item) for place, item in enumerate(value)]
    else:
        yield path, value
        return
    for key, item in items:
        yield from _flat(item, f"{path}.{key}" if path else str(key))


def _named(found: Profile, precisions: Sequence[Mapping[str, Any]]) -> Profile:
    """Gives the operators of a slimmed file the names that their layers had."""
    rest = list(precisions)
    layers = []
    for layer in found.layers:
        # The audit leaves out conversions between types.
        if rest and rest[0]["op"] == layer.type:
            layer = replace(layer, name=str(rest.pop(0)["layer"]))
        layers.append(layer)
    return replace(found, layers=tuple(layers))
