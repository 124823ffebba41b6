"""What report.md says of the stages: what each cost, removed and rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfcompress.reporting.figures import times_text
from tfcompress.reporting.markdown import cell, table

_COLUMNS = ("stage", "seconds", "top-1", "params", "non-zero", "sparsity", "MACs")
_NOTE = (
    "Sparsity is the share of zeros in the kernels. Zeros make the compressed file "
    "smaller; LiteRT does not run faster for them. Speed comes from int8 and from "
    "fewer channels. The latency ratio is of blocks timed in alternation, at their "
    "10th percentile, so it need not equal the ratio of the two columns; in brackets "
    "is its 95 % confidence interval."
)


def stage_parts(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a table of all stages, and what those removed and rounded that did.

    Args:
      stages: the report's.
    """
    return [
        "## What each stage cost and gained",
        table(_COLUMNS, [_stage_row(row) for row in stages]),
        _NOTE,
        *(part for row in stages for part in _removal_parts(row)),
        *(part for row in stages for part in _rounding_parts(row)),
    ]


def _stage_row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        row["name"],
        f"{row['seconds']:.1f}",
        f"{row['top1']:.2%}",
        row["params"],
        row["nonzero_params"],
        f"{row['sparsity']:.1%}",
        row["macs"],
    )


def _removal_parts(row: Mapping[str, Any]) -> list[str]:
    """Returns what a stage that removed something has to show; nothing for others."""
    facts = row.get("facts", {})
    if "reached" not in facts:
        return []
    text = "Kept: "
    text += ", ".join(
        f"{part:.1%} of {kind}" for kind, part in facts["reached"].items()
    )
    if times := facts.get("float_latency_ms"):
        ratio = times_text(times["before"] / times["after"], "faster", "slower")
        text += (
            f". As float32 files, timed in alternation: {times['before']:.3g} ms "
            f"before, {times['after']:.3g} ms after, {ratio}"
        )
    if dropped := facts.get("dropped"):
        text += f". Blocks dropped: {cell(', '.join(dropped))}"
    parts = [f"## What {cell(row['name'])} removed", f"{text}."]
    if below := facts.get("below_target"):
        parts.append(f"More than was asked for: {cell(below)}.")
    if channels := facts.get("channels"):
        layers = [
            (name, before, after, f"{after / before:.0%}")
            for name, (before, after) in channels.items()
        ]
        parts.append(f"![channels](stages/{row['name']}/channels.png)")
        parts.append(table(("layer", "channels", "kept", "share"), layers))
    return parts


def _rounding_parts(row: Mapping[str, Any]) -> list[str]:
    """Returns where int8 loses most in a quantized model; nothing for others."""
    if "worst_layers" not in (facts := row.get("facts", {})):
        return []
    layers = [
        (
            *(error["name"], error["type"]),
            *(_decibels(error[key]) for key in ("own_sqnr_db", "sqnr_db")),
            *(f"{error['clipped']:.2%}", error["hint"]),
        )
        for error in facts["worst_layers"]
    ]
    head = ("layer", "type", "own SQNR", "SQNR", "clipped", "hint")
    return [
        f"## Where {cell(row['name'])} loses most",
        "Signal to quantization noise of the outputs of the worst layers, on training "
        "images: of the layer alone, and of all layers up to it. Every layer: "
        f"`stages/{row['name']}/quantization_errors.json`.",
        f"![quantization errors](stages/{row['name']}/quantization_errors.png)",
        table(head, layers),
    ]


def _decibels(ratio: float | None) -> str:
    return "exact" if ratio is None else f"{ratio:.1f} dB"
