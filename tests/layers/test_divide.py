import numpy as np

from tfcompress.layers.divide import Divide


def test_axes_of_size_one_are_stretched():
    dividend = np.full((2, 3, 3, 4), 6.0, np.float32)
    divisor = np.array([1.0, 2.0, 3.0, 4.0], np.float32).reshape(1, 1, 1, 4)
    divisor = np.repeat(divisor, 2, axis=0)
    quotient = Divide()([dividend, divisor])
    np.testing.assert_allclose(quotient[1, 2, 2], [6.0, 3.0, 2.0, 1.5])
    shapes = [(None, 3, 3, 4), (None, 1, 1, 4)]
    assert tuple(Divide().compute_output_shape(shapes)) == (None, 3, 3, 4)
