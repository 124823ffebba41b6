import subprocess
import sys

import pytest

import tfcompress as tfc


@pytest.mark.parametrize("name", tfc.__all__)
def test_every_public_name_resolves(name):
    value = getattr(tfc, name)
    assert getattr(value, "__doc__", None)
    assert name in dir(tfc)


def test_every_name_that_is_found_lazily_is_public():
    assert sorted([*tfc._HOME_OF, "data", "models"]) == tfc.__all__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Prunning'"):
        _ = tfc.Prunning


def test_importing_the_package_imports_no_tensorflow():
    script = "import sys, tfcompress; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
