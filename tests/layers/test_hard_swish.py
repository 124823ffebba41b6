import keras as keras_3
import numpy as np

from tfcompress.layers.hard_swish import HardSigmoid, HardSwish

X = np.array([[-5.0, -3.0, -1.5, 0.0, 1.0, 3.0, 4.0]], np.float32)


def test_hard_sigmoid_is_a_line_between_minus_three_and_three():
    expected = np.clip((X + 3) / 6, 0, 1)
    np.testing.assert_allclose(HardSigmoid()(X), expected, atol=1e-7)
    np.testing.assert_allclose(
        HardSigmoid()(X), keras_3.activations.hard_sigmoid(X), atol=1e-7
    )


def test_hard_swish_is_the_input_times_its_hard_sigmoid():
    expected = X * np.clip((X + 3) / 6, 0, 1)
    np.testing.assert_allclose(HardSwish()(X), expected, atol=1e-6)
    np.testing.assert_allclose(
        HardSwish()(X), keras_3.activations.hard_silu(X), atol=1e-6
    )
