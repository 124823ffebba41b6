"""The figures that a comparison has of each model, and how people are shown them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tfcompress.profiling.profile import Profile

Kind = Literal["artifact", "baseline", "tflite", "keras"]


class Figure(NamedTuple):
    """One column of a comparison.

    Args:
      label: for people.
      text: writes a value for people.
      larger_is_better: whether a model wants more of it.
    """

    label: str
    text: Callable[[Any], str]
    larger_is_better: bool = False


def milliseconds(value: float, interval: tuple[float, float] | None = None) -> str:
    """Returns a time in a unit that keeps three significant digits.

    Args:
      value: in milliseconds.
      interval: the ends of its confidence interval; None where it has none.
    """
    scale, unit = (1000, "us") if value < 1 else (1, "ms")
    text = f"{_three_digits(scale * value)} {unit}"
    if interval is None:
        return text
    low, high = (_three_digits(scale * end) for end in interval)
    return f"{text} ({low} to {high})"


def _three_digits(value: float) -> str:
    # From 1000 on `g` would write an exponent.
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"


def times_text(ratio: float, better: str, worse: str) -> str:
    """Returns a ratio as how many times better, or worse, such as `2.5x smaller`."""
    return f"{ratio:.1f}x {better}" if ratio >= 1 else f"{1 / ratio:.1f}x {worse}"


def speed_text(
    ratio: float, low: float | None = None, high: float | None = None
) -> str:
    """Returns how many times faster or slower; `as fast` where that is not known.

    Args:
      ratio: of the times before and after.
      low: end of its confidence interval; None where it was not kept.
      high: likewise.
    """
    if low is None or high is None:
        return times_text(ratio, "faster", "slower")
    if low <= 1 <= high:
        return f"as fast ({low:.2f} to {high:.2f})"
    word = "faster"
    if ratio < 1:
        ratio, low, high, word = 1 / ratio, 1 / high, 1 / low, "slower"
    # So that what is above 1 is not shown as 1.0.
    digits = 1 if low >= 1.05 else 3
    return f"{ratio:.{digits}f}x {word} ({low:.{digits}f} to {high:.{digits}f})"


_percent = "{:.2%}".format
_whole = "{:,}".format
FIGURES: Mapping[str, Figure] = {
    "top1": Figure("top-1", _percent, larger_is_better=True),
    "size_bytes": Figure("bytes", _whole),
    "gzip_bytes": Figure("gzip -9", _whole),
    "latency_ms": Figure("latency", milliseconds),
    "macs": Figure("MACs", _whole),
    "peak_memory_bytes": Figure("peak memory", _whole),
    "params": Figure("params", _whole),
    "nonzero_params": Figure("non-zero", _whole),
    "sparsity": Figure("sparsity", _percent, larger_is_better=True),
}


@dataclass(frozen=True)
class Row:
    """One model of a comparison.

    Args:
      name: of the run, file or model.
      kind: `artifact` and `baseline` are the two files of a run.
      figures: by the names of `FIGURES`; None where one is not known.
      latency_interval: confidence interval of `latency_ms`; None where it has none.
    """

    name: str
    kind: Kind
    figures: Mapping[str, float | None]
    latency_interval: tuple[float, float] | None = None

    def text(self, name: str) -> str:
        """Returns a figure for people; what is not known is an empty text."""
        value = self.figures[name]
        if value is None:
            return ""
        if name == "latency_ms":
            return milliseconds(value, self.latency_interval)
        return FIGURES[name].text(value)


def figures_of(
    profile: Profile, top1: float | None = None, latency_ms: float | None = None
) -> dict[str, float | None]:
    """Returns what is known of a model, by the names of `FIGURES`.

    The bytes of a Keras file are left out: they may hold the state of an optimizer, and
    no device is given that file.
    """
    totals = profile.totals
    is_tflite = profile.format == "tflite"
    return {
        "top1": top1,
        "size_bytes": totals.size_bytes if is_tflite else None,
        "gzip_bytes": totals.gzip_bytes if is_tflite else None,
        "latency_ms": latency_ms,
        "macs": totals.macs,
        "peak_memory_bytes": totals.peak_memory_bytes,
        "params": totals.params,
        "nonzero_params": totals.nonzero_params,
        "sparsity": totals.sparsity,
    }
