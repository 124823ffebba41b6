"""What every public dataclass promises to somebody who gives it wrong values."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import tiny

import tfcompress as tfc

DATA = tfc.Data("fashion_mnist_small")
BOXES = np.array([[0.0, 0.0, 1.0, 1.0]])
LAYERS = {"student_layer": "a", "teacher_layer": "b"}
# What is needed to make those that cannot be made of nothing.
NEEDED = {
    "Architecture": {"name": "resnet8"},
    "AttentionTransfer": LAYERS,
    "CorrelationCongruence": LAYERS,
    "Data": {"name": "fashion_mnist_small"},
    "Detections": {"boxes": BOXES, "scores": np.ones(1), "classes": np.zeros(1, int)},
    "Distillation": {"teacher": "a"},
    "FeatureDistillation": LAYERS,
    "FlowDistillation": {"student_layers": ("a", "b"), "teacher_layers": ("c", "d")},
    "GroundTruth": {"boxes": BOXES, "classes": np.zeros(1, int)},
    "LayerPruning": {"num_blocks": 1},
    "MostSensitive": {"max_bytes": 1},
    "Recipe": {"data": DATA, "model": "a.keras", "stages": ()},
    "RelationalDistillation": LAYERS,
    "Run": {"data": tiny.data()},
    "SimilarityPreserving": LAYERS,
    "Teacher": {"model": "a.keras"},
}
VALUES = (
    *(None, True, 3, 0, -1, 0.5, float("nan"), float("inf"), "a", "", b"a", 1j),
    *((), ("a",), (1, 2), (True,), [], ["a"], {}, {"macs": "a"}, {1: 2}, {"a": None}),
    *(object(), tfc.Training, tfc.Training(), np.float32(0.5), np.arange(2), len),
)
# The types of values that the words of an annotation let in.
ALLOWED = {
    "Any": object,
    "Architecture": tfc.Architecture,
    "Augmentation": tfc.Augmentation,
    "Calibration": tfc.Calibration,
    "CosineDecay": tfc.CosineDecay,
    "Data": tfc.Data,
    "Dataset": tfc.data.Dataset,
    "Distillation": tfc.Distillation,
    "Export": tfc.Export,
    "Importance": (type(len), tfc.Training),
    "Mapping": dict,
    "Path": Path,
    "MostSensitive": tfc.MostSensitive,
    "NDArray": (np.ndarray, list, tuple),
    "None": type(None),
    "Progress": tfc.Progress,
    "bool": bool,
    "dict": dict,
    "float": (float, int),
    "int": int,
    "tuple": (tuple, list),
}
PUBLIC = [
    value
    for value in (getattr(tfc, name) for name in tfc.__all__)
    if dataclasses.is_dataclass(value)
]
FIELDS = [
    pytest.param(part, field, id=f"{part.__name__}.{field.name}")
    for part in PUBLIC
    for field in dataclasses.fields(part)
]


def test_all_settings_are_tried():
    names = {part.__name__ for part in PUBLIC}
    assert {"Pruning", "Export", "Calibration", "Recipe", "Run", *NEEDED} <= names


@pytest.mark.parametrize(("part", "field"), FIELDS)
def test_a_wrong_value_is_refused_in_one_line(part, field):
    outer = re.sub(r"\[.*\]", "", field.type)
    allowed = tuple(ALLOWED.get(word, str) for word in re.findall(r"\w+", outer))
    for value in VALUES:
        settings = NEEDED.get(part.__name__, {}) | {field.name: value}
        try:
            part(**settings)
        except tfc.TfcompressError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 300
            continue
        assert any(isinstance(value, kind) for kind in allowed), value
        if isinstance(value, bool):
            assert bool in allowed or object in allowed
        if isinstance(value, float):
            assert np.isfinite(value)
