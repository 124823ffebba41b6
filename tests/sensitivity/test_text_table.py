from tfcompress.sensitivity.text_table import text_table


def test_cells_stand_below_their_headings():
    lines = text_table(("layer", "top-1"), [("stem", "90 %"), ("logits", "8 %")])
    assert [line.rstrip() for line in lines.splitlines()] == [
        "layer   top-1",
        "stem    90 %",
        "logits  8 %",
    ]


def test_a_long_cell_goes_on_below_and_a_name_is_not_broken(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    lines = text_table(("layer", "hint"), [("a" * 10, "b" * 12)]).splitlines()
    # Of 20 columns the name has 10, and 2 are between them.
    assert lines[1].split() == ["a" * 10, "b" * 8]
    assert lines[2].split() == ["b" * 4]


def test_names_of_strangers_command_no_terminal():
    assert "\x1b" not in text_table(("layer",), [("\x1b[31mred",)])
    assert "[bold]" in text_table(("layer",), [("[bold]",)])
