import subprocess
import sys

import numpy as np
import pytest

from tfcompress.quality.robustness.adversarial import ATTACKS
from tfcompress.quality.robustness.corruptions import CORRUPTIONS
from tfcompress.quality.robustness.formulas import FORMULAS


def test_every_perturbation_has_one_in_the_same_order():
    assert list(FORMULAS) == [*CORRUPTIONS, *ATTACKS]


@pytest.mark.parametrize(
    ("name", "by_formula"),
    [
        ("brightness", lambda x, mean, a: x + a),
        ("contrast", lambda x, mean, a: mean + a * (x - mean)),
    ],
)
def test_the_text_is_what_the_code_does(name, by_formula):
    x = np.array([0.1, 0.2, 0.3, 0.8], np.float32).reshape(1, 2, 2, 1)
    assert FORMULAS[name].text.startswith("clip(")
    for amount in FORMULAS[name].amounts:
        found = CORRUPTIONS[name](x, np.float32(amount), np.zeros((1, 2), np.float32))
        # The mean of the four values is 1.4 / 4.
        expected = np.clip(by_formula(x, 0.35, amount), 0, 1)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_tensorflow_is_not_needed():
    code = (
        "import sys, tfcompress.quality.robustness.formulas; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
