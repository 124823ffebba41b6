"""Report: what a run cost and gained; JSON is the truth, all else a view of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfcompress.errors import WorkdirError
from tfcompress.quality.robustness.result import Robustness
from tfcompress.reporting.figures import milliseconds, speed_text, times_text
from tfcompress.reporting.markdown import cell, table
from tfcompress.reporting.report_stages import stage_parts
from tfcompress.reporting.robustness import robustness_text

if TYPE_CHECKING:
    from tfcompress.profiling.latency import LatencyRatio

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Report:
    """Every figure of a run; None where it was not measured.

    Fractions are in [0, 1], every accuracy is on the whole test set, and every ratio
    is baseline / artifact. `baseline` is the float32 model before compression, as
    our own float32 `.tflite` file; each of `stages` is a row with name, kind, seconds,
    top1, top5, params, nonzero_params, sparsity and macs. `skipped` tells what was not
    done: technique, layer and why, of each.

    Example:
      >>> report = tfc.run_recipe(recipe, "runs/a")
      >>> report.comparison["gzip_ratio"]
    """

    schema_version: int
    recipe: Mapping[str, Any]
    environment: Mapping[str, Any]
    data: Mapping[str, Any]
    baseline: Mapping[str, Any]
    stages: Sequence[Mapping[str, Any]]
    artifact: Mapping[str, Any]
    comparison: Mapping[str, Any]
    skipped: Sequence[Mapping[str, Any]] = field(default_factory=list)

    def compared(self, latency: LatencyRatio) -> Report:
        """Returns this report with `comparison` filled in.

        Args:
          latency: of baseline and artifact, timed in alternation.
        """
        baseline, file, artifact = self.baseline, self.baseline["tflite"], self.artifact
        comparison = {
            "top1_drop": baseline["top1"] - artifact["top1"],
            "size_ratio": file["size_bytes"] / artifact["size_bytes"],
            "gzip_ratio": file["gzip_bytes"] / artifact["gzip_bytes"],
            "latency_ratio": latency.ratio,
            "latency_ratio_low": latency.low,
            "latency_ratio_high": latency.high,
            "macs_ratio": baseline["macs"] / artifact["macs"],
        }
        return replace(self, comparison=comparison)

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], path: str | Path = "report.json"
    ) -> Report:
        """Returns the report that `to_dict` wrote.

        Args:
          values: what it wrote.
          path: of the file that they come from, for the error.

        Raises:
          WorkdirError: a key is missing, or another version wrote it.
        """
        names = {field.name for field in fields(cls)}
        version = dict(values).get("schema_version")
        # Reports did not have it from the start.
        found = {"skipped", *values}
        if version != SCHEMA_VERSION or names != found:
            raise WorkdirError(
                f"{path} is damaged or of another version of tfcompress; delete it and "
                "run the recipe again on that folder, to measure anew"
            )
        return cls(**values)

    def headline(self, workdir: Path | str = "") -> str:
        """Returns the result in one line.

        Args:
          workdir: the run's folder, to be shown before the artifact's name.
        """
        raw = self.comparison["size_ratio"]
        smaller, faster, accuracy, _ = (value for value, _ in self.gains())
        return (
            f"{smaller} (gzip; raw {raw:.1f}x), {faster}, {accuracy}: "
            f"{Path(workdir) / self.artifact['path']}"
        )

    def gains(self) -> list[tuple[str, str]]:
        """Returns what was gained and lost, each with what it is measured in."""
        ratios, top1 = self.comparison, self.artifact["top1"]
        return [
            (
                times_text(ratios["gzip_ratio"], "smaller", "larger"),
                "bytes after gzip -9",
            ),
            (
                speed_text(ratios["latency_ratio"], *_interval(ratios)),
                "latency, paired",
            ),
            (_points(ratios["top1_drop"]), f"top-1, now {top1:.2%}"),
            (f"{ratios['macs_ratio']:.1f}x", "MACs, before / after"),
        ]

    def to_markdown(self) -> str:
        """Returns the report as tables for people."""
        return "\n\n".join(
            [
                f"# {cell(self.recipe['name'])}",
                self.headline() + ".",
                table(SUMMARY_COLUMNS, self.summary()),
                *stage_parts(self.stages),
                "## What is in the file",
                table(("operator", "count"), self.artifact["ops"].items()),
                self._promises(),
                *self._precision_parts(),
                *self._kernel_parts(),
                *self._robustness_parts(),
                *self._skipped_parts(),
                "## Where it was measured",
                table(("", ""), self._circumstances()),
                "",
            ]
        )

    def summary(self) -> list[tuple[Any, ...]]:
        """Returns rows of `SUMMARY_COLUMNS`; ratios and drops are texts."""
        base, file, art = self.baseline, self.baseline["tflite"], self.artifact
        ratio = self.comparison
        drop, interval = _points(ratio["top1_drop"]), _interval(ratio)
        paired = " ({:.2f} to {:.2f})".format(*interval) if interval else ""

        def times(name: str) -> str:
            return f"{ratio[name]:.2f}x"

        parts = [part["latency_ms"] for part in (file, art)]
        latency = [_milliseconds(part) for part in parts]
        means = [milliseconds(part["mean"]) for part in parts if "mean" in part]
        return [
            ("top-1", f"{base['top1']:.2%}", f"{art['top1']:.2%}", drop),
            ("top-5", f"{base['top5']:.2%}", f"{art['top5']:.2%}", ""),
            ("bytes", file["size_bytes"], art["size_bytes"], times("size_ratio")),
            ("gzip -9", file["gzip_bytes"], art["gzip_bytes"], times("gzip_ratio")),
            ("latency p50 (p10, p90)", *latency, times("latency_ratio") + paired),
            *([("mean time of an image", *means, "")] if len(means) == 2 else []),
            ("MACs", base["macs"], art["macs"], times("macs_ratio")),
        ]

    def _circumstances(self) -> list[tuple[str, Any]]:
        data = {key: self.data[key] for key in self.data if key != "class_names"}
        return [*self.environment.items(), *data.items()]

    def _skipped_parts(self) -> list[str]:
        if not self.skipped:
            return []
        rows = [tuple(each[key] for key in SKIPPED_COLUMNS) for each in self.skipped]
        return ["## What was skipped, and why", table(SKIPPED_COLUMNS, rows)]

    def _promises(self) -> str:
        floats = self.artifact["float_ops"]
        return (
            f"Float operators left: {cell(floats) if floats else 'none'}. Predictions "
            "equal to the last Keras model's: "
            f"{self.artifact['keras_agreement']:.2%} of the test set. "
            f"SHA-256 `{self.artifact['sha256']}`."
        )

    def _precision_parts(self) -> list[str]:
        """Returns the precision of each layer, where it is not one for all."""
        rows = [
            [row[column] or "" for column in _PRECISION_COLUMNS.values()]
            for row in self.artifact.get("precisions", [])
        ]
        if len({activations for *_, activations, _ in rows}) < 2:
            return []
        return ["## Precision of each layer", table(list(_PRECISION_COLUMNS), rows)]

    def _kernel_parts(self) -> list[str]:
        """Returns the weights of the file, where a stage promised something of them."""
        kernels = self.artifact.get("kernels", [])
        if not _OF_WEIGHTS & {row["kind"] for row in self.stages} or not kernels:
            return []
        rows = [
            (
                kernel["layer"],
                kernel["num_weights"],
                f"{kernel['num_zeros'] / kernel['num_weights']:.1%}",
                kernel["num_values"],
                kernel["num_channel_values"],
            )
            for kernel in kernels
        ]
        return ["## Weights in the file", table(_KERNEL_COLUMNS, rows)]

    def _robustness_parts(self) -> list[str]:
        if "robustness" not in self.artifact:
            return []
        result = Robustness.from_dict(self.artifact["robustness"]["result"])
        return ["## Robustness", robustness_text(result, "artifact")]


SUMMARY_COLUMNS = ("", "float32 baseline", "artifact", "ratio")
SKIPPED_COLUMNS = ("technique", "layer", "why")
_OF_WEIGHTS = {"Pruning", "Clustering"}
_PRECISION_COLUMNS = {
    "layer": "layer",
    "operator": "op",
    "activations": "activations",
    "weights": "weights",
}
_KERNEL_COLUMNS = ("layer", "weights", "zeros", "values", "most in a channel")


def _points(top1_drop: float) -> str:
    # Rounded first, so that a loss of nothing is not shown as -0.00.
    return f"{round(-100 * top1_drop, 2) + 0.0:+.2f} points"


def _interval(comparison: Mapping[str, Any]) -> tuple[float, ...]:
    """Returns both ends of the latency ratio's interval; reports did not always."""
    ends = ("latency_ratio_low", "latency_ratio_high")
    return tuple(comparison[end] for end in ends if end in comparison)


def _milliseconds(latency: Mapping[str, float]) -> str:
    """Returns p50 (p10, p90) in a unit that keeps three significant digits."""
    scale, unit = (1e3, "us") if latency["p50"] < 1 else (1.0, "ms")
    p10, p50, p90 = (f"{latency[p] * scale:.3g}" for p in ("p10", "p50", "p90"))
    return f"{p50} ({p10}, {p90}) {unit}"
