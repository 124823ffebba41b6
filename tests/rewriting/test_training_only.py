import pytest
import tf_keras as keras
from tf_keras.src.applications.convnext import StochasticDepth

from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.training_only import drop_training_only, is_training_only

layers = keras.layers


@pytest.mark.parametrize(
    "layer",
    [
        layers.ActivityRegularization(0.1),
        layers.AlphaDropout(0.5),
        layers.Dropout(0.5),
        layers.GaussianDropout(0.5),
        layers.GaussianNoise(0.5),
        layers.RandomBrightness(0.5),
        layers.RandomContrast(0.5),
        layers.RandomFlip(),
        layers.RandomHeight(0.5),
        layers.RandomRotation(0.5),
        layers.RandomTranslation(0.5, 0.5),
        layers.RandomWidth(0.5),
        layers.RandomZoom(0.5),
        layers.SpatialDropout2D(0.5),
        StochasticDepth(0.5),
    ],
    ids=lambda layer: layer.name,
)
def test_training_only_layers_are_dropped(rewritten, layer):
    image = keras.Input((6, 6, 3), name="image")
    x = layers.Conv2D(3, 1, name="conv")(layer(image))
    model, changes = rewritten(keras.Model(image, x), drop_training_only)
    assert [part.name for part in model.layers] == ["image", "conv"]
    assert changes == [(layer.name, "removed: it is for training only")]


def test_what_crops_at_inference_stays():
    image = keras.Input((6, 6, 3), name="image")
    model = keras.Model(image, layers.RandomCrop(4, 4)(image))
    assert not is_training_only(Graph.from_model(model).nodes[1])
