from tfcompress.reporting.cells import Cell, cell, text_cell


def test_numbers_are_sorted_by_value_and_shown_for_people():
    assert cell(1234567) == Cell("1,234,567", "1234567", is_number=True)
    assert cell(0.123456) == Cell("0.1235", "0.123456", is_number=True)
    assert cell(0.5, "50%") == Cell("50%", "0.5", is_number=True)


def test_texts_are_sorted_as_they_read_and_what_is_unknown_by_nothing():
    assert text_cell("b") == cell("b") == Cell("b", "b")
    assert cell(True) == Cell("True", "True")
    assert cell([1, 2]) == Cell("[1, 2]", "[1, 2]")
    assert cell(None) == Cell("", "")
    assert cell(None, "exact") == Cell("exact", "")
