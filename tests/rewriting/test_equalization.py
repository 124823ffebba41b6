import numpy as np
import pytest
import tf_keras as keras

from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.rewriting.equalization import equalize_layers
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.linear import input_bounds, output_bounds

layers = keras.layers
UNEVEN = keras.initializers.RandomUniform(-1, 1, seed=3)


def conv(x, filters=6, size=3, **options):
    return layers.Conv2D(filters, size, bias_initializer=UNEVEN, **options)(x)


def norm(x):
    layer = layers.BatchNormalization(beta_initializer=UNEVEN, gamma_initializer=UNEVEN)
    x = layer(x)
    layer.moving_mean.assign(np.linspace(-0.3, 0.4, x.shape[-1]))
    layer.moving_variance.assign(np.linspace(0.2, 3, x.shape[-1]))
    return x


BODIES = {
    "two_convolutions": lambda x: conv(layers.ReLU()(conv(x))),
    "with_a_norm": lambda x: conv(layers.ReLU()(norm(conv(x)))),
    "nothing_between": lambda x: conv(conv(x)),
    "leaky": lambda x: conv(layers.LeakyReLU(0.1)(conv(x))),
    "depthwise": lambda x: conv(
        layers.ReLU()(layers.DepthwiseConv2D(3, depth_multiplier=2)(conv(x, size=1)))
    ),
    "grouped": lambda x: GroupedConv2D(4, 1, groups=2)(
        layers.ReLU()(GroupedConv2D(6, 1, groups=2)(conv(x, size=1)))
    ),
    "transposed": lambda x: layers.Conv2DTranspose(4, 3)(
        layers.ReLU()(layers.Conv2DTranspose(6, 3, strides=2)(x))
    ),
    "dense": lambda x: layers.Dense(3)(
        layers.Dense(7, activation=None)(layers.GlobalAveragePooling2D()(x))
    ),
}


def graph_of(body):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 4))
    model = keras.Model(image, body(image))
    for layer in model.layers:
        for weight in layer.weights:
            if "kernel" in weight.name:
                # Channels of different size, as training makes them.
                weight.assign(weight * np.geomspace(0.05, 2, weight.shape[-1]))
    return model, Graph.from_model(model)


@pytest.mark.parametrize("name", BODIES)
def test_outputs_are_equal_and_channels_are_as_large_on_both_sides(name):
    model, graph = graph_of(BODIES[name])
    changes = equalize_layers(graph)
    assert changes
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 4)).astype("float32")
    expected = model(images).numpy()
    found = graph.to_model()(images).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    kernels = [node for node in graph.nodes if len(node.spec.weights or []) in (1, 2)]
    if name in ("two_convolutions", "nothing_between", "leaky", "dense"):
        first, second = kernels
        np.testing.assert_allclose(
            output_bounds(first), input_bounds(second), rtol=1e-4
        )


@pytest.mark.parametrize(
    "body",
    [
        lambda x: conv(layers.ReLU(6.0)(conv(x))),
        lambda x: conv(layers.Activation("sigmoid")(conv(x))),
        lambda x: conv(layers.MaxPooling2D()(conv(x))),
        lambda x: layers.Add()([conv(y := conv(x, 4), 4, 1), y]),
    ],
    ids=["relu6", "sigmoid", "pooling", "fork"],
)
def test_what_lets_no_factor_through_stays(body):
    _, graph = graph_of(body)
    assert equalize_layers(graph) == []


def test_a_channel_without_weights_keeps_its_factor():
    _, graph = graph_of(BODIES["two_convolutions"])
    first = next(node for node in graph.nodes if node.spec.weights)
    first.spec.weights[0][..., 2] = 0
    equalize_layers(graph)
    kernel = first.spec.weights[0]
    assert np.isfinite(kernel).all()
    assert not kernel[..., 2].any()
