import os

import pytest

from tfcompress.export.converter_noise import captured_output


def test_both_descriptors_are_captured_and_given_back(capfd):
    with captured_output() as noise:
        os.write(1, b"out\n")
        os.write(2, b"err\n\n")
        assert noise.last_line() == "err"
    os.write(1, b"after")
    assert capfd.readouterr() == ("after", "")


def test_descriptors_are_given_back_after_an_error(capfd):
    with pytest.raises(KeyError), captured_output():
        raise KeyError
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_last_line_of_nothing_is_empty():
    with captured_output() as noise:
        assert noise.last_line() == ""
