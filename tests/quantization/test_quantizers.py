import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.quantization.quantizers import (
    ActivationQuantizer,
    FixedRangeQuantizer,
    WeightKeeper,
    WeightQuantizer,
    frozen_weights,
    observing,
)

QUANTIZERS = [
    ActivationQuantizer("block"),
    FixedRangeQuantizer(-1.0, 127 / 128),
    WeightQuantizer(2, keep_zeros=True),
]


def bounds(low, high):
    return {"min": tf.constant(low), "max": tf.constant(high)}


def test_activations_are_rounded_to_256_steps_and_clipped():
    # Bounds 0 and 25.5 make steps of 0.1.
    quantize = ActivationQuantizer("a")
    values = tf.constant([-1.0, 0.0, 0.14, 0.16, 25.46, 30.0])
    rounded = quantize(values, True, bounds(0.0, 25.5))
    assert np.allclose(rounded, [0.0, 0.0, 0.1, 0.2, 25.5, 25.5], atol=1e-5)


@pytest.mark.parametrize(
    ("ties_away", "expected"), [(True, [-2, -1, 1, 2]), (False, [-1, 0, 1, 2])]
)
def test_ties(ties_away, expected):
    # Bounds -128 and 127 make steps of 1, and step 0 the value 0.
    quantize = ActivationQuantizer("a", ties_away)
    values = tf.constant([-1.5, -0.5, 0.5, 1.5])
    assert np.array_equal(quantize(values, True, bounds(-128.0, 127.0)), expected)


def test_a_range_starts_with_weights_that_are_not_trained():
    layer = keras.layers.Layer()
    made = ActivationQuantizer("a").build((None, 4), "output", layer)
    assert {key: float(value) for key, value in made.items()} == {"min": -6, "max": 6}
    assert len(layer.non_trainable_weights) == 2 and not layer.trainable_weights


def test_an_observer_sees_values_that_pass_unrounded():
    seen = []
    values = tf.constant([0.123456])
    with observing(lambda group, tensor: seen.append((group, tensor.numpy()))):
        passed = ActivationQuantizer("a")(values, False, bounds(0.0, 1.0))
        fixed = FixedRangeQuantizer(0.0, 1.0)(values, False, {})
        cut = FixedRangeQuantizer(0.0, 0.1)(values, False, {})
    assert seen == [("a", values.numpy())]
    assert np.array_equal(passed, values) and np.array_equal(fixed, values)
    # What comes after must be observed as it will be.
    assert np.allclose(cut, [0.1])


def test_a_sigmoid_has_steps_of_one_in_256():
    values = tf.constant([0.0, 1 / 256, 0.7 / 256, 1.0])
    rounded = FixedRangeQuantizer(0.0, 255 / 256)(values, False, {})
    assert np.allclose(rounded, [0, 1 / 256, 1 / 256, 255 / 256], atol=1e-7)


def test_every_output_channel_has_a_scale_of_its_own():
    # Largest weights 127 and 1.27 make steps of 1 and 0.01.
    kernel = tf.constant([[127.0, 1.27], [3.4, 0.034], [-0.6, -0.006]])
    rounded = WeightQuantizer(1)(kernel, True, {})
    assert np.allclose(rounded, [[127, 1.27], [3, 0.03], [-1, -0.01]], atol=1e-6)


def test_one_scale_for_all_channels():
    kernel = tf.constant([[127.0, 1.27], [3.4, 0.6]])
    rounded = WeightQuantizer(0)(kernel, True, {})
    assert np.allclose(rounded, [[127, 1], [3, 1]], atol=1e-5)


def test_a_depthwise_kernel_has_a_scale_for_channel_and_multiplier():
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 3, 4, 2)).astype("float32")
    rounded = WeightQuantizer(2)(tf.constant(kernel), True, {}).numpy()
    steps = np.abs(kernel).max(axis=(0, 1)) / 127
    assert np.abs(rounded - kernel).max(axis=(0, 1)) == pytest.approx(
        steps / 2, rel=0.3
    )
    assert np.allclose(rounded / steps, np.round(rounded / steps), atol=1e-3)


@pytest.mark.parametrize("num_channel_axes", [0, 1])
def test_zeros_stay_zero_and_have_a_step_that_leaves_room_for_a_bias(num_channel_axes):
    quantizer = WeightQuantizer(num_channel_axes)
    assert np.array_equal(quantizer(tf.zeros((3, 2)), True, {}), np.zeros((3, 2)))
    # 2**31 steps of it times an input's step of 1/255 hold biases up to 16,577.
    assert np.allclose(quantizer.step(tf.zeros((3, 2))), 0.25 / 127)


def test_a_tensor_of_zeros_has_a_range():
    quantizer = ActivationQuantizer("zeros")
    weights = quantizer.build(None, "zeros", keras.layers.Layer())
    quantizer.set_range(weights, 0.0, 0.0)
    assert (weights["min"], weights["max"]) == (0, 1)
    quantizer.set_range(weights, 0.0, 1e-5)
    assert weights["max"] == np.float32(1e-5)


@pytest.mark.parametrize(("keep_zeros", "expected"), [(True, 0.0), (False, 1.0)])
def test_nothing_flows_back_to_zeros_that_are_kept(keep_zeros, expected):
    kernel = tf.Variable([[0.0, 1.0], [2.0, 3.0]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(WeightQuantizer(1, keep_zeros)(kernel, True, {}))
    assert np.array_equal(tape.gradient(total, kernel), [[expected, 1], [1, 1]])


def test_a_kernel_that_is_kept_is_not_rounded():
    kernel = tf.Variable([[0.0, 1.03], [2.0, 127.0]])
    keeper = WeightKeeper.from_config(WeightKeeper(1, keep_zeros=True).get_config())
    with tf.GradientTape() as tape:
        kept = keeper(kernel, True, {})
    assert np.array_equal(kept, kernel)
    assert np.array_equal(tape.gradient(kept, kernel), [[0, 1], [1, 1]])


def test_frozen_ranges_are_constants_of_the_graph():
    kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 3, 4, 5)))
    kernel = tf.Variable(tf.cast(kernel, tf.float32))

    def graph():
        return WeightQuantizer(1)(kernel, False, {})

    def bound_ops():
        traced = tf.function(graph).get_concrete_function()
        (op,) = [o for o in traced.graph.get_operations() if "PerChannel" in o.type]
        return {tensor.op.type for tensor in op.inputs[1:]}, traced()

    computed, value = bound_ops()
    with frozen_weights():
        frozen, same = bound_ops()
    assert frozen <= {"Const", "Neg"} and not computed <= {"Const", "Neg"}
    assert np.array_equal(value, same)


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=lambda q: type(q).__name__)
def test_it_is_made_again_from_its_config(quantizer):
    copy = type(quantizer)(**quantizer.get_config())
    assert copy.get_config() == quantizer.get_config()


def shared(kernel, sharing="layer"):
    quantizer = WeightQuantizer(1, keep_zeros=True, sharing=sharing)
    variable = tf.Variable(kernel)
    weights = quantizer.build(variable.shape, "kernel", keras.layers.Layer())
    quantizer.set_sharing(variable, weights)
    return quantizer, variable, weights


def test_equal_weights_are_trained_by_their_mean_gradient():
    quantizer, kernel, weights = shared([[127.0, 5.0], [5.0, 0.0], [5.0, 127.0]])
    factors = tf.constant([[1.0, 2.0], [3.0, 4.0], [7.0, 9.0]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(factors * quantizer(kernel, True, weights))
    # 127 has the gradients 1 and 9, 5 has 2, 3 and 7, and zero is held.
    np.testing.assert_allclose(
        tape.gradient(total, kernel), [[5, 4], [4, 0], [4, 5]], rtol=1e-6
    )


def test_equal_weights_of_a_channel_only():
    quantizer, kernel, weights = shared(
        [[127.0, 127.0], [5.0, 5.0], [5.0, 7.0]], "channel"
    )
    factors = tf.constant([[1.0, 2.0], [3.0, 4.0], [7.0, 9.0]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(factors * quantizer(kernel, True, weights))
    np.testing.assert_allclose(
        tape.gradient(total, kernel), [[1, 2], [5, 4], [5, 9]], rtol=1e-6
    )


def test_channels_that_share_values_have_one_scale():
    quantizer, kernel, weights = shared([[127.0, 1.0], [1.0, 1.0], [1.0, 3.3]])
    assert quantizer.step(kernel) == pytest.approx([1, 1])
    rounded = quantizer(kernel, True, weights)
    np.testing.assert_allclose(rounded, [[127, 1], [1, 1], [1, 3]], atol=1e-5)
    other, kernel, _ = shared([[127.0, 1.0], [1.0, 1.0], [1.0, 1.27]], "channel")
    assert other.step(kernel) == pytest.approx([1, 0.01])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_equal_weights_stay_equal_in_training(optimizer):
    random = np.random.default_rng(0)
    values = random.normal(size=7).astype(np.float32)
    quantizer, kernel, weights = shared(values[random.integers(0, 7, (37, 11))])
    stepper = keras.optimizers.get(optimizer)
    targets = random.normal(size=kernel.shape)
    for _ in range(30):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((quantizer(kernel, True, weights) - targets) ** 2)
        stepper.apply_gradients([(tape.gradient(loss, kernel), kernel)])
    assert np.unique(quantizer.shared(kernel, weights)).size == 7
    assert not np.isin(kernel.numpy(), values).any()
