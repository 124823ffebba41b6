import io

import pytest
from absl import flags

from tfcompress.cli.command import Command, UsageError, new_flags, tell


@pytest.fixture
def command():
    values = new_flags()
    flags.DEFINE_multi_string("set", [], "Sets.", flag_values=values)
    flags.DEFINE_integer("count", 3, "Counts.", flag_values=values)
    return Command(
        usage="tfcompress try THING",
        summary="Tries.",
        examples=("tfcompress try it",),
        groups={"All": ("set", "count", "debug")},
        run=len,
        flags=values,
    )


def test_flags_and_words_may_come_in_any_order(command):
    words = ["one", "--count=5", "two", "--set=a=1", "--set", "b=2,3", "--debug"]
    assert command.parse(words) == ["one", "two"]
    assert command.flags.count == 5
    assert command.flags.set == ["a=1", "b=2,3"]
    assert command.flags.debug


def test_a_wrong_flag_is_a_usage_error_with_the_nearest_name(command):
    with pytest.raises(UsageError, match=r"Did you mean: count\?"):
        command.parse(["--cuont=5"])


def test_help_shows_defaults(command):
    assert command.help() == (
        "Tries.\n"
        "\n"
        "Usage: tfcompress try THING [flags]\n"
        "\n"
        "Examples:\n"
        "  tfcompress try it\n"
        "\n"
        "All:\n"
        "  --set=...          Sets.\n"
        "  --count=...        Counts. (default: 3)\n"
        "  --debug            Show the traceback of an error. (default: off)"
    )


def test_what_is_told_is_one_line_that_does_nothing_to_a_terminal(capsys):
    tell("a\n\x1b[2J  b", debug=False)
    assert capsys.readouterr() == ("", "a ?[2J b\n")


def test_the_traceback_comes_first_where_it_is_asked_for():
    err = io.StringIO()
    try:
        raise UsageError("no")
    except UsageError as error:
        tell(f"error: {error}", True, err)
    lines = err.getvalue().splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "error: no"
