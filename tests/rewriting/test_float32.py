import numpy as np
import pytest
import tf_keras as keras

from tfcompress.rewriting.float32 import float32_policy, in_float32, is_float32

layers = keras.layers
IMAGES = np.random.default_rng(0).random((4, 6, 6, 3), np.float32)


def model(dtype):
    image = keras.Input((6, 6, 3), dtype="float16")
    x = layers.Conv2D(4, 3, dtype=dtype, name="conv")(image)
    x = layers.BatchNormalization(dtype=dtype, name="norm")(x)
    return keras.Model(image, layers.Flatten(dtype=dtype)(x))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "half"])
def test_a_model_of_16_bits_becomes_one_of_32_with_equal_weights(dtype):
    given = model(dtype)
    made = in_float32(given)
    assert all(map(is_float32, made.layers)) and not is_float32(given.layers[1])
    assert made.input.dtype == made.output.dtype == "float32"
    for ours, theirs in zip(made.get_weights(), given.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # A fresh BatchNormalization divides by the root of 1 + 0.001.
    kernel, bias = made.get_layer("conv").get_weights()
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (3, 3), (1, 2))
    expected = np.einsum("bxychw,hwco->bxyo", windows, kernel) + bias
    expected = expected.reshape(4, -1) / np.sqrt(1.001)
    np.testing.assert_allclose(made(IMAGES), expected, rtol=1e-5, atol=1e-5)


def test_a_model_of_float32_stays_the_same_object():
    given = model("float32")
    given = keras.Model(given.layers[1].output, given.output)
    assert in_float32(given) is given


def test_integers_are_no_other_precision():
    assert is_float32(layers.Flatten(dtype="int32"))


def test_the_global_policy_is_set_back_after_an_error():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        with pytest.raises(KeyError), float32_policy():
            assert layers.Dense(1).dtype_policy.name == "float32"
            raise KeyError
        assert layers.Dense(1).dtype_policy.name == "mixed_bfloat16"
    finally:
        keras.mixed_precision.set_global_policy("float32")
