import tf_keras as keras
import tiny

from tfcompress.diagnosis import TECHNIQUES
from tfcompress.diagnosis_answers import answers
from tfcompress.quantization.apply import fake_quantize

layers = keras.layers


def test_kernels_are_clustered_unless_int8_scales_their_channels():
    image = layers.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, name="conv")(image)
    x = layers.BatchNormalization(name="conv_norm")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Dense(8, name="dense")(layers.Flatten()(x))
    x = layers.BatchNormalization(name="dense_norm")(x)
    x = layers.Dense(3, name="logits")(x)
    found = answers(keras.Model(image, x))["clustering"]
    assert found["conv"] == found["logits"] == "yes"
    assert found["depthwise"] == "yes, with depthwise=True"
    # Dense layers have one scale: the BatchNorm goes into their weights.
    assert found["dense"].startswith("no: int8 folds into this kernel")
    assert found.keys() == {"conv", "depthwise", "dense", "logits"}


def test_a_quantized_model_is_past_all_techniques():
    model = fake_quantize(tiny.model())
    found = answers(model)
    assert tuple(found) == TECHNIQUES
    already = {"no: it is quantized already"}
    assert all(set(found[name].values()) == already for name in TECHNIQUES[:-1])
    assert found["qat"].keys() == {layer.name for layer in model.layers}
    assert found["pruning"].keys() < found["qat"].keys()
    assert set(found["int8_export"].values()) == {"yes"}
