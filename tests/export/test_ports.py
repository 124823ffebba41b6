import numpy as np
import pytest
import small_file

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.export.audit import Port
from tfcompress.export.ports import random_values, single_ports, stored_values

INT8 = Port("int8", (1, 4), 0.5, -3)


def test_ports_are_those_of_the_file(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(small_file.relu_file())
    expected = Port("int8", (1, 2, 3, 1), 0.5, -3)
    assert single_ports(path) == (expected, expected)


def test_several_inputs_are_refused(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(small_file.relu_file(num_inputs=2))
    with pytest.raises(ModelError, match="2 inputs and 1 outputs; expected 1 of each"):
        single_ports(path)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("int8", -128, 127), ("uint8", 0, 255), ("int16", -32768, 32767)],
)
def test_random_values_fill_the_type(dtype, low, high):
    port = Port(dtype, (1, 100, 100, 3), 0.5, 0)
    values = random_values(port, 40, seed=1)
    assert (values.dtype, values.shape) == (dtype, (40, 1, 100, 100, 3))
    assert values.min() <= low + 3
    assert values.max() >= high - 3
    np.testing.assert_array_equal(values, random_values(port, 40, seed=1))
    with pytest.raises(InvalidArgumentError, match="seed='a' must be a whole number"):
        random_values(port, 40, seed="a")
    assert (values != random_values(port, 40, seed=2)).any()


def test_random_values_of_floats_lie_between_0_and_1():
    values = random_values(Port("float32", (1, 9), None, None), 4, seed=0)
    assert values.dtype == np.float32
    assert 0 <= values.min() < values.max() < 1


def test_real_values_are_stored_in_steps_and_cut_off():
    real = np.array([0.0, 1.0, 0.74, -500.0, 500.0])
    # 0.74 / 0.5 is 1.48, which rounds to 1.
    expected = [-3, -1, -2, -128, 127]
    np.testing.assert_array_equal(stored_values(real, INT8), expected)
    plain = Port("float32", (1, 5), None, None)
    np.testing.assert_array_equal(stored_values(real, plain), real.astype("float32"))
