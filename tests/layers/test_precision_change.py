import numpy as np
import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.layers.precision_change import PrecisionChange


def test_values_are_passed_on():
    x = np.float32([-1e6, -0.1, 0, 2.5, 1e6])
    layer = PrecisionChange.from_config(PrecisionChange("int8").get_config())
    assert layer.to == "int8" and layer.SLOPE == 1 - 2.0**-24
    np.testing.assert_allclose(layer(x), x, rtol=2**-23)


def test_another_precision_is_refused():
    with pytest.raises(InvalidArgumentError, match="'odd' has to='int4'; expected"):
        PrecisionChange("int4", name="odd")
