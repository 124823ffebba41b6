import numpy as np
import pytest

from tfcompress.quality.accuracy import accuracy
from tfcompress.quality.robustness.result import Robustness, RobustnessRow
from tfcompress.reporting.quality_view import confusion_view, robustness_view


def judged(num_classes, answers, labels):
    logits = np.eye(num_classes, dtype=np.float32)[answers]
    return accuracy(logits, np.array(labels)).to_dict()


def test_a_matrix_of_one_model():
    part = judged(2, [0, 0, 1, 0], [0, 0, 1, 1])
    (matrix,) = confusion_view({"m": part}, ["cat", "dog"])["matrices"]
    assert matrix["caption"].startswith("m: 75.00% right")
    cats, dogs = matrix["rows"]
    assert [cell["count"] for cell in cats["cells"]] == [2, ""]
    assert [cell["count"] for cell in dogs["cells"]] == [1, 1]
    assert [cell["share"] for cell in dogs["cells"]] == [0.5, 0.5]
    assert [cell["kind"] for cell in dogs["cells"]] == ["wrong", "right"]


def test_pairs_of_many_classes_need_two_models():
    names = [str(number) for number in range(21)]
    labels = list(range(21))
    before = judged(21, labels, labels)
    after = judged(21, [1, *labels[1:]], labels)
    view = confusion_view({"a": before, "b": after}, names)
    assert view["head"] == ["label", "predicted", "a", "b"]
    (pair,) = view["pairs"]
    assert [cell.text for cell in pair] == ["0", "1", "0", "1"]
    assert confusion_view({"a": before}, names) is None


@pytest.mark.parametrize("corrupted", [True, False])
def test_means_are_told_of_corruptions_alone(corrupted):
    row = RobustnessRow("blur", 1, 0.1, not corrupted, 0.25, 0.5)
    result = Robustness("m", "f", "f", 1000, 0, 1.0, 1.0, (row,))
    view = robustness_view(result, "m")
    assert view["text"].startswith("Top-1 on 1,000 test images that were changed, m ")
    assert ("25.00% beside 50.00%" in view["text"]) == corrupted
    assert view["uri"].startswith("data:image/")


def test_what_each_perturbation_does_and_how_much_is_under_the_picture():
    rows = (
        RobustnessRow("jpeg", 1, 25, False, 0.5, 0.75),
        RobustnessRow("jpeg", 3, 15, False, 0.25, 0.75),
        RobustnessRow("fgsm", 3, 4 / 255, True, 0.25, 0.75),
    )
    amounts = robustness_view(
        Robustness("m", "f", "f", 4, 0, 1.0, 1.0, rows), "artifact"
    )["amounts"]
    heads = ["perturbation", "image x becomes", "a at 1", "a at 3"]
    assert amounts["head"] == heads
    assert [[cell.text for cell in row] for row in amounts["rows"]] == [
        ["jpeg", "stored as JPEG of quality a", "25", "15"],
        # 4 / 255 is 0.015686.
        ["fgsm", "clip(x + a sign(gradient of the loss), 0, 1)", "", "0.01569"],
    ]
