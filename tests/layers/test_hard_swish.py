import keras as keras_3
import numpy as np

from tfcompress.layers.hard_swish import HardSigmoid, HardSwish, HardSwishGate

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


def test_a_scaled_input_times_its_gate_is_the_hard_swish():
    z = X / np.sqrt(6)
    np.testing.assert_allclose(z * HardSwishGate()(z), HardSwish()(X), atol=1e-6)
    open_gate = HardSwishGate(clips=False)(z)
    np.testing.assert_allclose(open_gate, z + np.sqrt(6) / 2, atol=1e-6)
