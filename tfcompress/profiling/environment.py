"""Where a run took place: versions, processor, threads."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# From the widest to the narrowest that LiteRT's kernels make a difference of.
_ISA_FLAGS = (
    ("avx512_vnni", "avx512_vnni"),
    ("avx_vnni", "avx_vnni"),
    ("avx512f", "avx512"),
    ("asimddp", "neon_dotprod"),
    ("avx2", "avx2"),
    ("asimd", "neon"),
)


def environment(num_threads: int) -> dict[str, Any]:
    """Returns what a figure depends on beside the recipe; None where unknown.

    Args:
      num_threads: threads of the interpreter that was timed.
    """
    packages = (
        "tensorflow",
        "tf_keras",
        "tensorflow_model_optimization",
        "keras",
        "ai-edge-litert",
        "tfcompress",
    )
    cpu, flags = _processor()
    return {
        "python": platform.python_version(),
        **{name.replace("-", "_"): _version(name) for name in packages},
        "cpu": cpu,
        "isa": next((name for flag, name in _ISA_FLAGS if flag in flags), None),
        "num_threads": num_threads,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> tuple[str | None, frozenset[str]]:
    """Returns the processor's name and feature flags, as Linux tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or None, frozenset()
    lines = text.split("\n\n")[0].splitlines()
    parts = (line.partition(":") for line in lines)
    entries = {key.strip(): value.strip() for key, _, value in parts}
    flags = entries.get("flags") or entries.get("Features") or ""
    name = entries.get("model name") or platform.processor() or None
    return name, frozenset(flags.split())
