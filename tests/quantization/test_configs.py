import tf_keras as keras

from tfcompress.quantization.configs import LayerQuantizeConfig
from tfcompress.quantization.quantizers import ActivationQuantizer, WeightQuantizer


def test_it_rounds_the_weight_that_is_named():
    layer = keras.layers.DepthwiseConv2D(3)
    layer.build((None, 8, 8, 2))
    quantizer = WeightQuantizer(2)
    config = LayerQuantizeConfig("depthwise_kernel", quantizer)
    ((weight, found),) = config.get_weights_and_quantizers(layer)
    assert weight is layer.depthwise_kernel and found is quantizer
    config.set_quantize_weights(layer, ["rounded"])
    assert layer.depthwise_kernel == "rounded"


def test_a_layer_without_kernel_has_an_output_only():
    quantizer = ActivationQuantizer("add")
    config = LayerQuantizeConfig(output_quantizer=quantizer)
    layer = keras.layers.Add()
    assert config.get_weights_and_quantizers(layer) == []
    assert config.get_activations_and_quantizers(layer) == []
    assert config.get_output_quantizers(layer) == [quantizer]
    assert LayerQuantizeConfig().get_output_quantizers(layer) == []


def test_its_config_says_all():
    config = LayerQuantizeConfig(
        "kernel", WeightQuantizer(1, True), ActivationQuantizer("block")
    ).get_config()
    assert config["weight"] == "kernel"
    assert config["weight_quantizer"]["config"] == {
        "num_channel_axes": 1,
        "keep_zeros": True,
        "sharing": None,
    }
    assert config["output_quantizer"]["config"] == {
        "group": "block",
        "ties_away": False,
        "num_bits": 8,
    }
    assert config["is_float"] is False
