"""The folder of a finished run whose files are of a handful of bytes, not trained."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from small_file import relu_file

LABELS = ("cat", "dog")
# Of 30 images, 27 are right before; 24 after, as one is won and four are lost.
BEFORE, AFTER = [[14, 1], [2, 13]], [[11, 4], [2, 13]]


def report():
    """Returns a report without what only new versions write."""
    path = Path(__file__).with_name("reporting") / "test_report.py"
    spec = importlib.util.spec_from_file_location("report_fixture", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.report()


def full_report(layer="the_relu", stage="00_training", labels=LABELS):
    """Returns a report with all that a page shows; the names are the caller's."""
    whole = report()
    images = [{"index": 3, "label": 0, "before": 0, "after": 1}]
    images.append({"index": 7, "label": 1, "before": 0, "after": 1})
    changed = {"num_changed": 5, "num_lost": 4, "num_won": 1, "images": images}
    robust = {
        **{"model": "model.tflite", "baseline": "float", "attacked": None},
        **{"num_images": 30, "seed": 0, "top1": 0.8, "baseline_top1": 0.9},
        "rows": [
            {
                **{"perturbation": "blur", "strength": 1, "amount": 0.5},
                **{"is_attack": False, "top1": 0.5, "baseline_top1": 0.75},
            }
        ],
    }
    answers = {"calibration_error": 0.125, "per_class": [0.8, 0.8]}
    artifact = {
        **whole.artifact,
        **answers,
        "confusion": AFTER,
        "changed": changed,
        "robustness": {"perturbations": {}, "result": robust},
        "precisions": [
            {"layer": layer, "op": "RELU", "activations": "int8", "weights": None}
        ],
        "input": {"dtype": "int8", "shape": [1, 2, 3, 1], "scale": 0.5}
        | {"zero_point": -3},
    }
    return replace(
        whole,
        data={**whole.data, "num_classes": 2, "class_names": list(labels)},
        baseline={**whole.baseline, **answers, "confusion": BEFORE},
        stages=[{**whole.stages[0], "name": stage}],
        artifact=artifact,
        skipped=[{"technique": "pruning", "layer": layer, "why": "no: small"}],
    )


def make_run(folder, report=None, **settings):
    """Writes a run folder; returns its path.

    Args:
      folder: to make.
      report: in it; None has everything.
      **settings: of the recipe.
    """
    report = report or full_report()
    folder.mkdir(parents=True)
    (folder / "baseline.tflite").write_bytes(relu_file(scale=None, dtype=0))
    (folder / "model.tflite").write_bytes(relu_file())
    (folder / "report.json").write_text(json.dumps(report.to_dict()))
    recipe = {"type": "Recipe", "seed": 0, **settings}
    (folder / "recipe.json").write_text(json.dumps({"recipe": recipe}))
    strip = np.zeros((96, 2 * 96), np.uint8)
    Image.fromarray(strip).save(folder / "changed_images.png")
    return folder
