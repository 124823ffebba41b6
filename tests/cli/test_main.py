import subprocess
import sys

import pytest

from tfcompress.cli.main import COMMANDS, main


def lines_of(capsys):
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err.splitlines()


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_names_every_command_and_exits_0(capsys, words):
    assert main(words) == 0
    out, err = lines_of(capsys)
    assert err == []
    assert "Examples:" in out
    for name in COMMANDS:
        assert any(line.split()[:1] == [name] for line in out)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_three_examples_and_every_flag(capsys, name):
    assert main([name, "anything", "--help"]) == 0
    out, _ = lines_of(capsys)
    assert sum(line.startswith(f"  tfcompress {name} ") for line in out) == 3
    shown = {line.split()[0].split("=")[0] for line in out if line.startswith("  --")}
    assert shown == {f"--{flag}" for flag in COMMANDS[name]().flags}
    assert all(len(line) <= 100 for line in out)


def test_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert lines_of(capsys)[0][0].startswith("tfcompress 0.")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "expected a command: run, profile"),
        (["rnu"], "did you mean run?"),
        (["zzz"], "expected run, profile"),
        (["run", "a.py", "--wrokdir=x"], "Did you mean: workdir"),
        (["run", "a.py", "--seed=many"], "--seed=many"),
        (["run"], "expected one RECIPE.py, got 0"),
        (["run", "a.py", "b.py"], "expected one RECIPE.py, got 2"),
        (["run", "a.py", "--set=epochs"], "--set takes path=value"),
        (["profile"], "expected at least one MODEL"),
        (["profile", "a", "--format=xml"], "should be one of <table|json|csv>"),
        (["profile", "a", "--num_threads=0"], "--num_threads=0"),
    ],
)
def test_wrong_usage_is_one_line_and_exits_2(capsys, words, told):
    assert main(words) == 2
    out, err = lines_of(capsys)
    assert out == []
    assert len(err) == 1
    assert told in err[0]


def test_an_error_shows_a_traceback_only_when_asked(capsys):
    assert main(["run", "no_such_recipe.py"]) == 1
    _, err = lines_of(capsys)
    assert len(err) == 1
    assert err[0].startswith("error: no_such_recipe.py does not exist; expected a Pyth")
    assert main(["run", "no_such_recipe.py", "--debug"]) == 1
    _, err = lines_of(capsys)
    assert err[0].startswith("Traceback")


def test_control_characters_of_a_name_do_not_reach_the_terminal(capsys):
    assert main(["run", "no\x1b[2J\nsuch[/].py"]) == 1
    _, err = lines_of(capsys)
    assert len(err) == 1
    assert r"no\x1b[2J such[/].py" in err[0]


def test_an_unexpected_error_is_one_line_too(capsys, monkeypatch):
    def broken():
        raise LookupError("first\nsecond")

    monkeypatch.setitem(COMMANDS, "broken", broken)
    assert main(["broken"]) == 1
    _, err = lines_of(capsys)
    assert err == ["error: LookupError: first second; unexpected: --debug shows where"]


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["run", "--bad"]])
def test_help_and_wrong_flags_import_nothing_heavy(words):
    script = (
        "import sys\n"
        "from tfcompress.cli.main import main\n"
        f"main({words})\n"
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'numpy', 'rich', 'h5py'}\n"
        "sys.exit(bool(heavy & sys.modules.keys()))\n"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_python_m_tfcompress_is_the_command():
    command = [sys.executable, "-m", "tfcompress", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no command 'nothing'")
