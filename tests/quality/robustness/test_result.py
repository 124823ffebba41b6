import json

import pytest

from tfcompress.quality.robustness.result import Robustness, RobustnessRow

ROWS = (
    RobustnessRow("blur", 1, 0.01, False, 0.8, 0.9),
    RobustnessRow("blur", 5, 0.04, False, 0.4, 0.5),
    RobustnessRow("jpeg", 1, 25, False, 0.7, 0.7),
    RobustnessRow("jpeg", 5, 7, False, 0.5, 0.3),
    RobustnessRow("fgsm", 1, 1 / 255, True, 0.2, 0.1),
    RobustnessRow("fgsm", 5, 16 / 255, True, 0.1, 0.0),
)
RESULT = Robustness("m.tflite", "net", "net", 1000, 0, 0.9, 0.92, ROWS)
ALONE = Robustness(
    "m.tflite",
    None,
    None,
    1000,
    0,
    0.9,
    None,
    tuple(
        RobustnessRow(*(r.perturbation, r.strength, r.amount), False, r.top1, None)
        for r in ROWS[:4]
    ),
)


def test_means_are_of_corruptions_alone():
    assert RESULT.mean_corruption_accuracy == pytest.approx((0.8 + 0.4 + 0.7 + 0.5) / 4)
    expected = (0.9 + 0.5 + 0.7 + 0.3) / 4
    assert RESULT.baseline_mean_corruption_accuracy == pytest.approx(expected)


def test_corruption_error_is_relative_to_the_baseline_by_corruption():
    # Blur: 0.2 + 0.6 of 0.1 + 0.5; JPEG: 0.3 + 0.5 of 0.3 + 0.7.
    expected = (0.8 / 0.6 + 0.8 / 1.0) / 2
    assert RESULT.mean_corruption_error == pytest.approx(expected)


def test_a_baseline_without_error_has_no_multiple():
    perfect = RobustnessRow("blur", 1, 0.01, False, 0.8, 1.0)
    result = Robustness("m", "net", None, 10, 0, 1.0, 1.0, (perfect,))
    assert result.mean_corruption_error is None
    assert "mean corruption accuracy 80.0 (-20.0)" in str(result)


def test_without_baseline_or_corruptions_nothing_is_made_up():
    assert ALONE.baseline_mean_corruption_accuracy is None
    assert ALONE.mean_corruption_error is None
    attacked = Robustness("m", None, "m", 10, 0, 0.9, None, ROWS[4:])
    assert attacked.mean_corruption_accuracy is None


def test_json_has_rows_and_means():
    document = json.loads(RESULT.to_json())
    assert document == json.loads(json.dumps(RESULT.to_dict()))
    assert Robustness.from_dict(document) == RESULT
    assert document["rows"][0] == {
        "perturbation": "blur",
        "strength": 1,
        "amount": 0.01,
        "is_attack": False,
        "top1": 0.8,
        "baseline_top1": 0.9,
    }
    assert document["mean_corruption_error"] == RESULT.mean_corruption_error


def test_table_has_a_row_a_perturbation_and_a_column_a_strength():
    lines = str(RESULT).splitlines()
    assert "m.tflite, beside net, on 1,000 test images" in lines[0]
    assert [line.split() for line in lines[1:6]] == [
        ["strength", "1", "5", "mean"],
        ["unchanged", "90.0", "(-2.0)"],
        ["blur", "80.0", "(-10.0)", "40.0", "(-10.0)", "60.0", "(-10.0)"],
        ["jpeg", "70.0", "(+0.0)", "50.0", "(+20.0)", "60.0", "(+10.0)"],
        ["fgsm", "20.0", "(+10.0)", "10.0", "(+10.0)", "15.0", "(+10.0)"],
    ]
    assert lines[6] == (
        "mean corruption accuracy 60.0 (+0.0), errors 1.067 of the baseline's"
    )
    assert lines[7] == "fgsm: gradient of net"


def test_table_without_baseline_has_no_differences():
    assert "(" not in str(ALONE)
    assert "beside" not in str(ALONE)


def test_names_from_files_do_not_reach_the_terminal_raw():
    result = Robustness("m\x1b[31m", None, None, 10, 0, 0.9, None, ())
    assert "\x1b" not in str(result)
