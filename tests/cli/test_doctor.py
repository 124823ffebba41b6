import json
import subprocess
import sys

import pytest
import tiny

from tfcompress.cli.main import main
from tfcompress.diagnosis import diagnose


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "[red]tiny.keras"
    tiny.model().save(path)
    return str(path)


def test_json_is_one_document_and_nothing_else(capfd, path):
    assert main(["doctor", path, "--format=json"]) == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    document = json.loads(captured.out)
    assert document.pop("schema_version") == 1
    assert document == diagnose(path).to_dict()


def test_the_table_of_a_process_of_its_own_has_no_noise(path):
    command = [sys.executable, "-m", "tfcompress", "doctor", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == path
    assert any(line.startswith("block_depthwise") for line in done.stdout.splitlines())


def test_wrong_usage_is_told(capsys):
    assert main(["doctor"]) == 2
    assert "expected one MODEL, got 0; see tfcompress doctor" in capsys.readouterr().err
    assert main(["doctor", "a", "--format=csv"]) == 2


def test_a_missing_file_is_told_at_once(capsys):
    assert main(["doctor", "no_such.keras"]) == 1
    assert capsys.readouterr().err == (
        "error: no_such.keras does not exist; expected a model file: check the path\n"
    )
