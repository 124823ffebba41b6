from tfcompress.reporting.markdown import cell, table


def test_a_cell_cannot_leave_its_table_or_become_html():
    assert cell("a|b\n<i>") == "a\\|b?\\<i\\>"
    assert cell("*a*_[b]`c`\\") == "\\*a\\*\\_\\[b\\]\\`c\\`\\\\"


def test_numbers_have_commas_and_what_is_unknown_is_said():
    assert cell(1234) == "1,234"
    assert cell(None) == "not known"


def test_table():
    assert table(("a", "b"), [(1, "x|")]) == "| a | b |\n| --- | --- |\n| 1 | x\\| |"
