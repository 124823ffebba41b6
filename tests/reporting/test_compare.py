import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from run_folder import full_report, make_run
from small_file import relu_file

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.profiling.environment import environment


@pytest.fixture
def runs(tmp_path):
    worse = full_report()
    worse = replace(worse, artifact={**worse.artifact, "top1": 0.5})
    return (
        make_run(tmp_path / "a", max_top1_drop=0.01),
        make_run(tmp_path / "b", worse, max_top1_drop=0.02),
    )


@pytest.mark.parametrize("axes", [(), ("top1", "top1"), ("accuracy",)])
def test_axes_that_are_no_figures_are_refused(axes, tmp_path):
    with pytest.raises(InvalidArgumentError, match="expected different names of top1"):
        tfc.compare([tmp_path], axes=axes)


def test_runs_and_files_in_one_table(runs, tmp_path):
    path = tmp_path / "c.tflite"
    path.write_bytes(relu_file())
    found = tfc.compare([*runs, path], latency=False)
    kinds = [each.kind for each in found.rows]
    assert kinds == ["artifact", "baseline"] * 2 + ["tflite"]
    document = json.loads(found.to_json())
    assert document["axes"] == ["top1", "size_bytes"]
    # Accuracy 0.8875, 0.9 (larger file), 0.5, 0.9 and unknown; files of equal bytes.
    small, large = (
        (runs[0] / name).stat().st_size for name in ("model.tflite", "baseline.tflite")
    )
    front = [each["on_pareto_front"] for each in document["rows"]]
    assert front == [small < large, True, False, True, False]
    assert [each["size_bytes"] for each in document["rows"]][::2] == [small] * 3
    assert document["differences"] == {
        "recipe.max_top1_drop": {str(runs[0]): 0.01, str(runs[1]): 0.02}
    }
    assert document["settings"][str(runs[0])]["recipe.seed"] == 0
    assert "median that each run measured" in document["notes"][0]
    assert document["notes"][1] == (
        f"Not on the Pareto front, with top-1 not known: {path}."
    )


def test_only_what_differs(runs):
    found = tfc.compare(runs, latency=False)
    whole, part = found.to_dict(), found.to_dict(diff_only=True)
    assert whole["rows"][0]["params"] == 0
    assert "params" not in part["rows"][0]
    assert part["rows"][0]["top1"] == 0.8875
    assert part["settings"] == {}
    assert part["differences"] == whole["differences"]
    assert "macs" not in found.to_csv(diff_only=True).splitlines()[0]


def test_a_path_that_is_missing_is_told_before_anything_is_measured(runs, tmp_path):
    with pytest.raises(ModelError, match="does not exist; expected the folder of a"):
        tfc.compare([*runs, tmp_path / "missing"])


def test_latency_is_measured_together_where_it_is_asked_for(runs):
    found = tfc.compare(runs[:1])
    times = [each.figures["latency_ms"] for each in found.rows]
    # What the report says is 0.1 and 0.25 ms; one operator takes far less.
    assert all(0 < time < 0.09 for time in times)
    part = found.to_dict(diff_only=True)["rows"]
    for each, time in zip(part, times, strict=True):
        assert each["latency_ms_low"] <= time == each["latency_ms"]
        assert time <= each["latency_ms_high"]
        assert (each["latency_ms_low"], each["latency_ms_high"]) != (time, time)
    assert "alternating blocks, on 1 thread" in found.notes[0]


def test_latency_says_which_of_its_two_meanings_it_has(runs, tmp_path):
    path = tmp_path / "c.tflite"
    path.write_bytes(relu_file())
    for latency, told in (
        (True, ["median_of_rounds"] * 3),
        (False, ["p50_of_run", "p50_of_run", ""]),
    ):
        found = tfc.compare([runs[0], path], latency=latency)
        rows = list(csv.DictReader(io.StringIO(found.to_csv())))
        assert [each["latency_statistic"] for each in rows] == told
        part = json.loads(found.to_json())["rows"]
        assert [each["latency_statistic"] or "" for each in part] == told


def test_accuracy_on_other_images_is_told(runs, tmp_path):
    assert not any(
        "same images" in note for note in tfc.compare(runs, latency=False).notes
    )
    other = full_report()
    other = replace(other, data={**other.data, "name": "others", "num_test": 7000})
    notes = tfc.compare([*runs, make_run(tmp_path / "c", other)], latency=False).notes
    (told,) = (note for note in notes if "same images" in note)
    assert told.endswith(", 7,000 of others.")


def test_where_it_was_made_is_in_every_document(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(relu_file())
    found = tfc.compare([path], latency=False, num_threads=2)
    here = environment(num_threads=2)
    assert found.environment == json.loads(found.to_json())["environment"] == here
    assert f"| tensorflow | {here['tensorflow']} |" in found.to_markdown()
    assert "| num\\_threads | 2 |" in found.to_markdown()
    page = found.to_html(diff_only=True)
    assert "Where this comparison was made" in page
    assert '<th scope="row">num_threads</th><td>2</td>' in page


def test_nothing_to_compare_is_refused():
    with pytest.raises(InvalidArgumentError, match="at least one run, model or file"):
        tfc.compare([])
    with pytest.raises(InvalidArgumentError, match="num_threads is 0"):
        tfc.compare(["a"], num_threads=0)


def test_runs_are_compared_without_tensorflow(runs):
    code = (
        "import sys, tfcompress as tfc; "
        f"tfc.compare([{str(runs[0])!r}], latency=False).to_html(); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
