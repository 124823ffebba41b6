import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from channels.nets import layers

from tfcompress.channels.statistics import (
    kernel_statistics,
    measure_channels,
    reestimate_batch_normalization,
)
from tfcompress.rewriting.graph import Graph


def network(augment=False):
    keras.utils.set_random_seed(0)
    image = layers.Input((4, 4, 2))
    x = layers.RandomFlip()(image) if augment else image
    x = layers.Conv2D(3, 3, name="conv")(x)
    x = layers.BatchNormalization(name="norm", gamma_initializer="random_normal")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise")(x)
    x = layers.Conv2DTranspose(5, 1, name="up")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(3, name="end")(x))


def images(number=5, seed=0):
    return np.random.default_rng(seed).random((number, 4, 4, 2), np.float32)


def test_kernels_as_a_column_for_each_output_channel():
    net = network()
    found = {s.name: s for s in kernel_statistics(Graph.from_model(net), 0, {})}
    assert list(found) == ["conv", "depthwise", "up", "end"]
    kernels = {name: net.get_layer(name).get_weights()[0] for name in found}
    for name, channel, expected in (
        ("conv", 1, kernels["conv"][..., 1]),
        # The second output of the second of three channels.
        ("depthwise", 3, kernels["depthwise"][:, :, 1, 1]),
        ("up", 4, kernels["up"][:, :, 4, :]),
        ("end", 2, kernels["end"][:, 2]),
    ):
        np.testing.assert_array_equal(found[name].kernel[:, channel], expected.ravel())
    assert found["conv"].kernel.shape == (9 * 2, 3)
    assert found["depthwise"].kernel.shape == (4, 6)
    gamma = net.get_layer("norm").gamma.numpy()
    np.testing.assert_array_equal(found["conv"].gamma, gamma)
    assert found["depthwise"].gamma is None


@pytest.mark.parametrize("augment", [False, True])
def test_taylor_and_activation_are_those_behind_norm_and_relu(augment):
    net = network(augment)
    x, y = images(), np.array([0, 1, 2, 0, 1])
    found = measure_channels(Graph.from_model(net), x, y)
    inner = keras.Model(net.input, [net.get_layer("relu").output, net.output])
    with tf.GradientTape(persistent=True) as tape:
        relu, logits = inner(x, training=False)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
    gradient = tape.gradient(loss, relu)
    taylor = np.abs((gradient * relu).numpy().sum((1, 2))).mean(0)
    np.testing.assert_allclose(found["conv"][0], taylor, rtol=1e-4, atol=1e-7)
    activation = np.abs(relu.numpy()).mean((0, 1, 2))
    np.testing.assert_allclose(found["conv"][1], activation, rtol=1e-5)
    assert taylor.max() > 0


def test_more_images_than_a_batch_are_averaged():
    net = network()
    x, y = images(40), np.arange(40) % 3
    graph = Graph.from_model(net)
    whole = measure_channels(graph, x, y)["conv"]
    parts = [measure_channels(graph, x[i : i + 20], y[i : i + 20]) for i in (0, 20)]
    for index in (0, 1):
        mean = np.mean([part["conv"][index] for part in parts], axis=0)
        np.testing.assert_allclose(whole[index], mean, rtol=1e-4)


@pytest.mark.parametrize("augment", [False, True])
def test_norm_gets_the_statistics_of_its_input(augment):
    net = network(augment)
    kernels = net.get_layer("conv").get_weights()
    x = images()
    reestimate_batch_normalization(net, x)
    conv = keras.Model(net.input, net.get_layer("conv").output)
    given = conv(x, training=False).numpy()
    norm = net.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, given.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, given.var((0, 1, 2)), rtol=1e-4)
    for before, after in zip(kernels, net.get_layer("conv").get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_second_norm_sees_what_the_first_makes_with_its_new_statistics():
    image = layers.Input((2, 2, 1))
    x = layers.BatchNormalization(epsilon=1e-6)(image)
    x = layers.Rescaling(2.0, 1.0)(x)
    net = keras.Model(image, layers.BatchNormalization(axis=-1, scale=False)(x))
    reestimate_batch_normalization(
        net, 5 * np.random.default_rng(0).random((8, 2, 2, 1), np.float32)
    )
    # 2 (0, 1) + 1.
    last = net.layers[-1]
    np.testing.assert_allclose(last.moving_mean, [1.0], atol=1e-4)
    np.testing.assert_allclose(last.moving_variance, [4.0], rtol=1e-4)


def test_batches_count_by_their_images():
    image = layers.Input((1, 1, 1))
    net = keras.Model(image, layers.BatchNormalization()(image))
    values = np.array([0, 2, 4, 10, 20], np.float32).reshape(5, 1, 1, 1)
    reestimate_batch_normalization(net, values, batch_size=4)
    # (0, 2, 4, 10) has mean 4 and variance 14; (20) has variance 0.
    norm = net.layers[-1]
    np.testing.assert_allclose(norm.moving_mean, [(4 * 4 + 20) / 5])
    np.testing.assert_allclose(norm.moving_variance, [4 * 14 / 5])


def test_without_norm_nothing_happens():
    image = layers.Input((1, 1, 1))
    net = keras.Model(image, layers.ReLU()(image))
    reestimate_batch_normalization(net, np.zeros((1, 1, 1, 1)))
    assert net.get_weights() == []
