import numpy as np
import pytest
import tf_keras as keras
from tf_keras.src.applications.convnext import LayerScale

from tfcompress.rewriting.affine import Affine, read_affine, to_rescaling
from tfcompress.rewriting.graph import Graph

layers = keras.layers
MEAN, VARIANCE = [0.5, -1.0, 2.0], [4.0, 0.25, 0.0]


@pytest.mark.parametrize(
    "layer",
    [
        layers.Rescaling(2.0, -1.0),
        layers.Rescaling([1.0, 2.0, 3.0], 0.5),
        layers.Rescaling(2.0, np.array([1.0, 2.0, 3.0])),
        layers.Rescaling([[[[1.0, 2.0, 3.0]]]]),
        layers.Normalization(mean=1.0, variance=4.0, axis=None),
        layers.Normalization(mean=MEAN, variance=VARIANCE),
        layers.Normalization(mean=MEAN, variance=VARIANCE, invert=True),
        layers.Normalization(mean=MEAN, variance=VARIANCE, axis=3),
        layers.Normalization(),
        layers.BatchNormalization(),
        layers.BatchNormalization(axis=3, epsilon=0.1),
        layers.BatchNormalization(scale=False),
        layers.BatchNormalization(center=False),
        layers.BatchNormalization(scale=False, center=False, trainable=False),
        layers.BatchNormalization(synchronized=True),
        LayerScale(0.1, 3),
    ],
    ids=lambda layer: layer.name,
)
def test_what_is_read_is_what_the_layer_computes(randomize, layer):
    image = keras.Input((4, 5, 3), name="image")
    model = keras.Model(image, layer(image))
    randomize(model)
    pixels = np.random.default_rng(0).uniform(-2, 2, (2, 4, 5, 3)).astype("float32")
    affine = read_affine(Graph.from_model(model).nodes[1])
    expected = pixels * affine.scale + affine.offset
    limit = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(model(pixels), expected, atol=limit, rtol=0)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Rescaling(np.ones((5, 1))),
        layers.Normalization(axis=1),
        layers.Normalization(axis=(1, 3)),
        layers.BatchNormalization(axis=1),
        layers.BatchNormalization(renorm=True),
        layers.ReLU(),
    ],
    ids=lambda layer: layer.name,
)
def test_what_does_not_go_by_the_last_axis_is_not_read(layer):
    image = keras.Input((4, 5, 3), name="image")
    model = keras.Model(image, layer(image))
    assert read_affine(Graph.from_model(model).nodes[1]) is None


def test_a_batch_normalization_called_in_training_mode_is_not_read():
    image = keras.Input((4,), name="image")
    norm = layers.BatchNormalization()(image, training=True)
    assert read_affine(Graph.from_model(keras.Model(image, norm)).nodes[1]) is None


def test_a_layer_never_called_is_read_by_a_negative_axis_only():
    image = keras.Input((4,), name="image")
    graph = Graph.from_model(keras.Model(image, layers.ReLU()(image)))
    weights = [np.ones(4, np.float32)] * 4
    for axis, readable in ((-1, True), (3, False)):
        norm = layers.BatchNormalization(axis=axis, epsilon=3.0, name=f"norm{axis}")
        affine = read_affine(graph.add(norm, graph.inputs[0], weights))
        assert (affine is not None) == readable
        if affine:
            # 1 / sqrt(1 + 3) = 0.5, and 1 - 1 * 0.5 = 0.5
            assert affine.scale.tolist() == affine.offset.tolist() == [0.5] * 4


def test_one_after_the_other():
    first = Affine(np.array(2.0), np.array([1.0, 2.0]))
    second = Affine(np.array([3.0, 4.0]), np.array(-1.0))
    both = first.then(second)
    # 3 (2 x + 1) - 1 = 6 x + 2; 4 (2 x + 2) - 1 = 8 x + 7
    assert both.scale.tolist() == [6.0, 8.0] and both.offset.tolist() == [2.0, 7.0]


def test_values_of_channels():
    affine = Affine(np.array(2.0), np.array([1.0, 0.0]))
    scale, offset = affine.channels(2)
    assert scale.tolist() == [2.0, 2.0] and offset.tolist() == [1.0, 0.0]
    assert affine.fits(2) and not affine.fits(3) and not affine.is_scale
    uniform = Affine(np.array(2.0), np.array(0.0))
    assert uniform.fits(7) and uniform.is_scale
    assert uniform.channels(3)[0].tolist() == [2.0] * 3


def test_a_rescaling_says_the_same():
    layer = to_rescaling("scale", Affine(np.array([1.0, 2.0]), np.array(3.0)))
    config = layer.get_config()
    assert (config["name"], config["scale"], config["offset"]) == ("scale", [1, 2], 3)
