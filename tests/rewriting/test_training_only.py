import pytest
import tf_keras as keras
from tf_keras.src.applications.convnext import StochasticDepth

from tfcompress.export.tflite import export_tflite
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.training_only import is_training_only

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
def test_training_only_layers_are_in_no_file(tmp_path, layer):
    image = keras.Input((6, 6, 3), name="image")
    x = layers.Conv2D(3, 1, name="conv")(layer(image))
    model = keras.Model(image, x)
    node = Graph.from_model(model).nodes[1]
    assert is_training_only(node)
    assert node.layer is layer
    file = export_tflite(model, tmp_path / "model.tflite", quantization="float32")
    assert file.audit.ops == {"CONV_2D": 1}


def test_what_crops_at_inference_stays():
    image = keras.Input((6, 6, 3), name="image")
    model = keras.Model(image, layers.RandomCrop(4, 4)(image))
    assert not is_training_only(Graph.from_model(model).nodes[1])
