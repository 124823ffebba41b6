import math

import numpy as np

from tfcompress.layers.tanh_gelu import TanhGelu


def test_it_is_the_formula_of_the_paper():
    x = np.linspace(-4, 4, 17, dtype=np.float32)[np.newaxis]
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    np.testing.assert_allclose(TanhGelu()(x), 0.5 * x * (1 + np.tanh(inner)), atol=1e-6)
