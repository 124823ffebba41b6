import subprocess
import sys
from dataclasses import replace

import pytest
from run_folder import make_run
from small_file import relu_file

from tfcompress.reporting.finished_run import FinishedRun
from tfcompress.reporting.snippet import file_snippet, run_snippet


def printed(lines, folder):
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["model.tflite", "baseline.tflite"])
def test_the_snippet_of_a_run_runs(tmp_path, name):
    run = FinishedRun.open(make_run(tmp_path / "a"))
    if name == "baseline.tflite":
        given = {**run.report.artifact["input"], "scale": None}
        artifact = {**run.report.artifact, "input": given}
        run = replace(run, report=replace(run.report, artifact=artifact))
    (run.folder / name).rename(run.folder / "model.tflite")
    # The largest of equal outputs is the first.
    assert printed(run_snippet(run), run.folder) == "0"


@pytest.mark.parametrize("options", [{}, {"scale": None, "dtype": 0}])
def test_the_snippet_of_any_file_runs_whatever_its_name(tmp_path, options):
    name = "a'\"\n$.tflite"
    (tmp_path / name).write_bytes(relu_file(**options))
    assert printed(file_snippet(name), tmp_path) == "0"
