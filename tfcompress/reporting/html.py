"""One page of HTML with everything in it: a comparison, and each model by itself.

Names come from strangers' files. Each goes through jinja's autoescape, and none into
a script or a style: the script is a constant, whose hash the page allows alone, and
pictures are images, in which no script runs.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from tfcompress.profiling.profile import visible_text
from tfcompress.reporting.cells import Cell, cell, text_cell
from tfcompress.reporting.figures import FIGURES
from tfcompress.reporting.model_view import model_view
from tfcompress.reporting.pictures import pareto_axes
from tfcompress.reporting.plots import data_uri, plot_pareto
from tfcompress.reporting.quality_view import (
    changed_view,
    confusion_view,
    robustness_view,
)
from tfcompress.reporting.run_view import run_view
from tfcompress.reporting.snippet import file_snippet

if TYPE_CHECKING:
    from tfcompress.reporting.comparison import Comparison


def comparison_html(comparison: Comparison, diff_only: bool = False) -> str:
    """Returns a page that needs no other file.

    Args:
      comparison: what to show.
      diff_only: whether single models, and what is the same everywhere, are left out.

    Raises:
      WorkdirError: a report is not what a run writes.
    """
    script = _page_file("script.js")
    digest = hashlib.sha256(script.encode()).digest()
    runs = comparison.runs
    return (
        _templates()
        .get_template("report.html")
        .render(
            title=_title(comparison),
            headlines=[
                _headline(run.name, run.report.headline(), runs) for run in runs
            ],
            axes=", ".join(FIGURES[axis].label for axis in comparison.axes),
            summary=_summary(comparison, diff_only),
            notes=comparison.notes,
            pareto=_pareto_pictures(comparison),
            differences=_differences(comparison),
            environment=[
                (name, "not known" if value is None else str(value))
                for name, value in comparison.environment.items()
            ],
            models=[] if diff_only else _models(comparison),
            style=Markup(_page_file("style.css")),
            script=Markup(script),
            script_sha256=base64.b64encode(digest).decode(),
            version=version("tfcompress"),
        )
    )


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tfcompress.reporting", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible_text(value) if type(value) is str else value,
    )


def _page_file(name: str) -> str:
    return (files("tfcompress.reporting") / "page" / name).read_text("utf-8")


def _title(comparison: Comparison) -> str:
    if len(comparison.runs) == 1 and not comparison.profiles:
        return str(comparison.runs[0].report.recipe["name"])
    return f"Comparison of {len(comparison.rows)} models"


def _headline(name: str, text: str, runs: Any) -> str:
    return f"{name}: {text}" if len(runs) > 1 else text


def _summary(comparison: Comparison, diff_only: bool) -> dict[str, Any]:
    names = comparison.figure_names(diff_only)
    front = comparison.pareto()
    rows = []
    for number, row in enumerate(comparison.rows, 1):
        on_front = row in front
        star = Cell("\N{BLACK STAR}" if on_front else "", "1" if on_front else "0")
        line = [cell(number), text_cell(row.name), text_cell(row.kind), star]
        line += [cell(row.figures[name], row.text(name)) for name in names]
        rows.append({"on_front": on_front, "cells": line})
    labels = [FIGURES[name].label for name in names]
    return {"head": ["#", "model", "kind", "Pareto", *labels], "rows": rows}


def _pareto_pictures(comparison: Comparison) -> list[dict[str, str]]:
    gain, costs = pareto_axes(comparison)
    return [
        {
            "uri": data_uri(plot_pareto(comparison, cost, gain)),
            "alt": f"{FIGURES[gain].label} against {FIGURES[cost].label}",
        }
        for cost in costs
    ]


def _differences(comparison: Comparison) -> dict[str, Any]:
    rows = [
        [text_cell(path), *(cell(value) for value in values.values())]
        for path, values in comparison.differences().items()
    ]
    return {"head": ["setting", *(run.name for run in comparison.runs)], "rows": rows}


def _models(comparison: Comparison) -> list[dict[str, Any]]:
    """Returns a view of each run, and of each lone model beside the first of them."""
    views = [run_view(run) for run in comparison.runs]
    names = list(comparison.profiles or {})
    pairs = [[names[0], other] for other in names[1:]] or [[name] for name in names]
    return [*views, *(_lone_view(pair, comparison) for pair in pairs)]


def _lone_view(names: list[str], comparison: Comparison) -> dict[str, Any]:
    """Returns a view of one model, or of two, that are no run's."""
    profiles = {name: (comparison.profiles or {})[name] for name in names}
    view = model_view(" and ".join(names), profiles)
    known = comparison.accuracies
    parts = {name: known[name].to_dict() for name in names if name in known}
    if parts:
        view["confusion"] = confusion_view(parts, comparison.class_names)
    last = names[-1]
    if last in comparison.changed:
        changed = comparison.changed[last]
        view["changed"] = changed_view(
            changed.facts, changed.num_images, comparison.class_names, changed.picture
        )
    if last in comparison.robustness:
        view["robustness"] = robustness_view(comparison.robustness[last], last)
    files = [each.source for each in profiles.values() if each.format == "tflite"]
    view["snippet"] = file_snippet(files[-1]) if files else None
    return view
