from dataclasses import replace

import pytest
from run_folder import AFTER, BEFORE, full_report, make_run, report

from tfcompress.errors import WorkdirError
from tfcompress.reporting.finished_run import FinishedRun
from tfcompress.reporting.run_view import run_view


def view_of(folder, report=None):
    return run_view(FinishedRun.open(make_run(folder, report)))


def test_confusion_before_and_after(tmp_path):
    before, after = view_of(tmp_path / "a")["confusion"]["matrices"]
    for matrix, counts in ((before, BEFORE), (after, AFTER)):
        shown = [[cell["count"] for cell in row["cells"]] for row in matrix["rows"]]
        assert shown == counts
    assert after["caption"] == "after: 88.75% right, calibration error 0.125"
    assert [row["name"] for row in after["rows"]] == ["cat 0", "dog 1"]
    # Of 15 cats, 11 are called so.
    cat = after["rows"][0]["cells"]
    assert [cell["kind"] for cell in cat] == ["right", "wrong"]
    assert cat[0]["share"] == pytest.approx(11 / 15, abs=1e-3)


def test_of_many_classes_those_that_are_confused_most_are_told(tmp_path):
    before = [[0] * 21 for _ in range(21)]
    after = [[0] * 21 for _ in range(21)]
    before[0][0], before[3][4], after[3][4], after[20][5] = 99, 2, 5, 7
    whole = full_report(labels=[f"c{number}" for number in range(21)])
    whole = replace(
        whole,
        data={**whole.data, "num_classes": 21},
        baseline={**whole.baseline, "confusion": before},
        artifact={**whole.artifact, "confusion": after},
    )
    confusion = view_of(tmp_path / "a", whole)["confusion"]
    assert confusion["matrices"] == []
    texts = [[cell.text for cell in row] for row in confusion["pairs"]]
    assert texts == [["c20", "c5", "0", "7"], ["c3", "c4", "2", "5"]]


def test_before_and_after_with_the_mean_time_of_an_image(tmp_path):
    rows = view_of(tmp_path / "a")["summary"]["rows"]
    texts = {row[0].text: [cell.text for cell in row[1:]] for row in rows}
    assert texts["mean time of an image"] == ["1.25 ms", "750 us", ""]
    assert texts["top-1"] == ["90.00%", "88.75%", "-1.25 points"]
    old = full_report()
    del old.artifact["latency_ms"]["mean"]
    rows = view_of(tmp_path / "b", old)["summary"]["rows"]
    assert "mean time of an image" not in [row[0].text for row in rows]


def test_images_whose_prediction_changed(tmp_path):
    changed = view_of(tmp_path / "a")["changed"]
    assert changed["text"] == (
        "5 of 30 test images: 4 were right before, 1 are right since."
    )
    assert changed["images"] == [
        {"index": 3, "kind": "lost", "label": "cat", "before": "cat", "after": "dog"},
        {"index": 7, "kind": "won", "label": "dog", "before": "cat", "after": "dog"},
    ]


def test_robustness_and_what_was_skipped(tmp_path):
    view = view_of(tmp_path / "a")
    assert "50.00% beside 75.00%" in view["robustness"]["text"]
    (row,) = view["skipped"]["rows"]
    assert [cell.text for cell in row] == ["pruning", "the_relu", "no: small"]
    assert view["skipped"]["notes"] == ["Operators left in float: none."]


def test_operators_left_in_float_are_named(tmp_path):
    whole = full_report()
    floats = [["ADD", "a_norm"], ["MUL", "b_norm"]]
    whole = replace(whole, artifact={**whole.artifact, "float_ops": floats})
    notes = view_of(tmp_path / "a", whole)["skipped"]["notes"]
    assert notes == ["Operators left in float: ADD a_norm, MUL b_norm."]


def test_an_older_report_says_what_it_lacks(tmp_path):
    old = report()
    old = replace(
        old,
        data={**old.data, "num_classes": 2},
        artifact={**old.artifact, "input": full_report().artifact["input"]},
    )
    view = view_of(tmp_path / "a", old)
    assert view["confusion"] is view["changed"] is view["robustness"] is None
    notes = " ".join(view["skipped"]["notes"])
    assert "an older version wrote this" in notes
    assert "Robustness was not asked for" in notes


def test_robustness_is_one_line_of_the_report():
    assert "Robustness" not in report().to_markdown()
    line = (
        "Top-1 on 30 test images that were changed, artifact beside baseline; mean "
        "over corruptions 50.00% beside 75.00%."
    )
    assert line in full_report().to_markdown().splitlines()


def test_a_report_of_another_shape_is_told(tmp_path):
    whole = full_report()
    broken = replace(whole, artifact={**whole.artifact, "changed": {"images": 7}})
    with pytest.raises(WorkdirError, match="is not what a run writes"):
        view_of(tmp_path / "a", broken)
