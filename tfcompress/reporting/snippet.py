"""Programs that run a .tflite file once, as a page shows them."""

from __future__ import annotations

from collections.abc import Sequence

from tfcompress.profiling.profile import shape_text
from tfcompress.reporting.finished_run import FinishedRun

_QUANTIZE = (
    'limits = np.iinfo(taken["dtype"])',
    "image = np.round(image / scale) + zero_point",
    "image = np.clip(image, limits.min, limits.max)",
)


def run_snippet(run: FinishedRun) -> list[str]:
    """Returns the lines of a Python program that runs the artifact on one image."""
    given = run.report.artifact["input"]
    low, high = run.settings.get("recipe.data.value_range", (0.0, 1.0))
    lines = [
        f"# {shape_text(given['shape'])}, from {low} (black) to {high} (white)",
        f"image = np.zeros({tuple(given['shape'])}, np.float32)",
    ]
    if given["scale"] is not None:
        lines += ['scale, zero_point = taken["quantization"]', *_QUANTIZE]
    return _program("model.tflite", lines)


def file_snippet(path: str) -> list[str]:
    """Returns the lines of such a program for any .tflite file of one input.

    Args:
      path: of the file, as the program is to name it.
    """
    lines = [
        "# In its place the values that the model was trained on.",
        'image = np.zeros(taken["shape"], np.float32)',
        'scale, zero_point = taken["quantization"]',
        "if scale:",
        *(f"    {line}" for line in _QUANTIZE),
    ]
    return _program(path, lines)


def _program(path: str, lines: Sequence[str]) -> list[str]:
    return [
        "import numpy as np",
        "from ai_edge_litert.interpreter import Interpreter",
        "",
        # A path is a stranger's: ASCII, quoted, of one line.
        f"interpreter = Interpreter({path!a}, num_threads=1)",
        "interpreter.allocate_tensors()",
        "taken = interpreter.get_input_details()[0]",
        "given = interpreter.get_output_details()[0]",
        *lines,
        'interpreter.set_tensor(taken["index"], image.astype(taken["dtype"]))',
        "interpreter.invoke()",
        'print(interpreter.get_tensor(given["index"]).argmax())',
    ]
