"""What a page shows of what models answer: which classes they confuse, robustness."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from tfcompress.quality.robustness.formulas import FORMULAS
from tfcompress.quality.robustness.plot import plot_robustness
from tfcompress.quality.robustness.result import Robustness
from tfcompress.reporting.cells import Cell, cell, text_cell
from tfcompress.reporting.plots import data_uri
from tfcompress.reporting.robustness import robustness_text

_MOST_CLASSES = 20
_MOST_PAIRS = 15


def confusion_view(
    parts: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> dict[str, Any] | None:
    """Returns matrices; of many classes, the pairs that two models confuse most.

    Args:
      parts: what `Accuracy.to_dict` gives of one model, or of two, by what they are
        called.
      names: of the classes.
    """
    if len(names) > _MOST_CLASSES:
        if len(parts) != 2:
            return None
        counts = [part["confusion"] for part in parts.values()]
        head = ["label", "predicted", *parts]
        return {"matrices": [], "head": head, "pairs": _confused(names, *counts)}
    matrices = [
        {
            "caption": f"{name}: {part['top1']:.2%} right, calibration error "
            f"{part['calibration_error']:.3f}",
            "numbers": range(len(names)),
            "rows": [
                {"name": f"{names[label]} {label}", "cells": _heat(label, counts)}
                for label, counts in enumerate(part["confusion"])
            ],
        }
        for name, part in parts.items()
    ]
    return {"matrices": matrices, "pairs": []}


def robustness_view(result: Robustness, name: str) -> dict[str, Any]:
    """Returns a sentence and the picture.

    Args:
      result: of a model beside its baseline.
      name: what the model is called.
    """
    text = robustness_text(result, name)
    return {
        "text": text,
        "uri": data_uri(plot_robustness(result)),
        "amounts": _amounts(result),
    }


def _amounts(result: Robustness) -> dict[str, Any]:
    """Returns what each perturbation does, and the amount a at each strength."""
    strengths = sorted({row.strength for row in result.rows})
    rows = []
    for name in result.perturbations:
        amounts = {row.strength: row.amount for row in result.under(name)}
        formula = FORMULAS[name].text if name in FORMULAS else ""
        texts = (name.replace("_", " "), formula)
        cells = (cell(amounts.get(each)) for each in strengths)
        rows.append([*map(text_cell, texts), *cells])
    heads = [f"a at {strength}" for strength in strengths]
    return {"head": ["perturbation", "image x becomes", *heads], "rows": rows}


def changed_view(
    changed: Mapping[str, Any],
    num_images: int,
    names: Sequence[str],
    picture: bytes | None,
) -> dict[str, Any]:
    """Returns a sentence and the images whose prediction changed.

    Args:
      changed: as `changed_predictions` returns it.
      num_images: of the test set.
      names: of the classes.
      picture: PNG of these images side by side; None shows none.
    """
    text = (
        f"{changed['num_changed']:,} of {num_images:,} test images: "
        f"{changed['num_lost']:,} were right before, {changed['num_won']:,} are right "
        "since."
    )
    if picture is None:
        return {"text": text, "images": []}
    images = [
        {
            "index": int(image["index"]),
            "kind": _kind(image),
            **{key: names[image[key]] for key in ("label", "before", "after")},
        }
        for image in changed["images"]
    ]
    content = base64.b64encode(picture).decode()
    return {"text": text, "images": images, "uri": f"data:image/png;base64,{content}"}


def _kind(image: Mapping[str, Any]) -> str:
    if image["label"] == image["before"]:
        return "lost"
    return "won" if image["label"] == image["after"] else "other"


def _heat(label: int, counts: Sequence[int]) -> list[dict[str, Any]]:
    total = max(1, sum(counts))
    return [
        {
            "count": count or "",
            "share": round(count / total, 3),
            "kind": "right" if column == label else "wrong",
        }
        for column, count in enumerate(counts)
    ]


def _confused(
    names: Sequence[str],
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
) -> list[list[Cell]]:
    pairs = [
        (before[label][guess], after[label][guess], label, guess)
        for label in range(len(names))
        for guess in range(len(names))
        if label != guess and before[label][guess] + after[label][guess]
    ]
    pairs.sort(key=lambda pair: -max(pair[:2]))
    return [
        [text_cell(names[label]), text_cell(names[guess]), cell(old), cell(new)]
        for old, new, label, guess in pairs[:_MOST_PAIRS]
    ]
