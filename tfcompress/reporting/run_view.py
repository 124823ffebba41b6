"""What a page shows of a run: its stages, what it answers, what it left out."""

from __future__ import annotations

from typing import Any

from tfcompress.reporting.cells import cell, text_cell
from tfcompress.reporting.finished_run import CHANGED_IMAGES, FinishedRun, undamaged
from tfcompress.reporting.model_view import model_view
from tfcompress.reporting.plots import data_uri, plot_stages
from tfcompress.reporting.quality_view import (
    changed_view,
    confusion_view,
    robustness_view,
)
from tfcompress.reporting.report import SKIPPED_COLUMNS, SUMMARY_COLUMNS, Report
from tfcompress.reporting.snippet import run_snippet

_ERROR_COLUMNS = {
    "name": "layer",
    "type": "type",
    "own_sqnr_db": "own SQNR",
    "sqnr_db": "SQNR",
    "clipped": "clipped",
    "hint": "hint",
}


def run_view(run: FinishedRun) -> dict[str, Any]:
    """Returns what the template `model.html` takes.

    Raises:
      WorkdirError: the report is not what a run writes.
    """
    report, robust = run.report, run.robustness()
    with undamaged(run.folder):
        view = model_view(run.name, {"before": run.before, "after": run.after})
        return {
            **view,
            "gains": report.gains(),
            "summary": _summary(report),
            "stages": _stages(report),
            "worst": _worst(report),
            "confusion": _confusion(report),
            "changed": _changed(run),
            "robustness": robust and robustness_view(robust, "artifact"),
            "skipped": _skipped(run),
            "snippet": run_snippet(run),
            "environment": [
                (name, _plain(value))
                for part in (report.environment, report.data)
                for name, value in part.items()
                if name != "class_names"
            ],
            "settings": [(name, _plain(value)) for name, value in run.settings.items()],
        }


def _summary(report: Report) -> dict[str, Any]:
    rows = [
        [text_cell(row[0]), *(cell(value) for value in row[1:])]
        for row in report.summary()
    ]
    return {"head": ["figure", *SUMMARY_COLUMNS[1:]], "rows": rows}


def _stages(report: Report) -> dict[str, Any]:
    rows = [
        [
            text_cell(row["name"]),
            cell(row["seconds"], f"{row['seconds']:.1f}"),
            cell(row["top1"], f"{row['top1']:.2%}"),
            cell(row["nonzero_params"]),
            cell(row["sparsity"], f"{row['sparsity']:.1%}"),
            cell(row["macs"]),
        ]
        for row in report.stages
    ]
    head = ["stage", "seconds", "top-1", "non-zero", "sparsity", "MACs"]
    return {"picture": data_uri(plot_stages(report)), "head": head, "rows": rows}


def _worst(report: Report) -> dict[str, Any] | None:
    """Returns the layers in which int8 loses most, as the last stage has found them."""
    for stage in reversed(report.stages):
        if errors := stage.get("facts", {}).get("worst_layers"):
            rows = [[cell(error[key]) for key in _ERROR_COLUMNS] for error in errors]
            return {"head": list(_ERROR_COLUMNS.values()), "rows": rows}
    return None


def _confusion(report: Report) -> dict[str, Any] | None:
    parts = {"before": report.baseline, "after": report.artifact}
    if not all("confusion" in part for part in parts.values()):
        return None
    return confusion_view(parts, _class_names(report))


def _changed(run: FinishedRun) -> dict[str, Any] | None:
    report = run.report
    changed = report.artifact.get("changed")
    if changed is None:
        return None
    path = run.folder / CHANGED_IMAGES
    picture = path.read_bytes() if path.is_file() else None
    total = report.data["num_test"]
    return changed_view(changed, total, _class_names(report), picture)


def _skipped(run: FinishedRun) -> dict[str, Any]:
    report = run.report
    rows = [
        [text_cell(each[key]) for key in SKIPPED_COLUMNS] for each in report.skipped
    ]
    # Each is the operator and its layer.
    floats = [" ".join(map(str, each)) for each in report.artifact["float_ops"]]
    notes = [*run.before.notes, *run.after.notes]
    notes.append(f"Operators left in float: {', '.join(floats) if floats else 'none'}.")
    if number := report.data.get("num_skipped"):
        names = ", ".join(report.data["skipped"])
        notes.append(f"{number:,} damaged images were left out: {names}.")
    if "robustness" not in report.artifact:
        notes.append("Robustness was not asked for (Recipe(robustness=...)).")
    if "changed" not in report.artifact:
        notes.append("Confusion and changed predictions: an older version wrote this.")
    return {"head": SKIPPED_COLUMNS, "rows": rows, "notes": notes}


def _class_names(report: Report) -> list[str]:
    number = int(report.data["num_classes"])
    return list(map(str, report.data.get("class_names", range(number))))


def _plain(value: Any) -> str:
    return "not known" if value is None else str(value)
