import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny
from ai_edge_litert.interpreter import Interpreter

from tfcompress.errors import ExportError
from tfcompress.export.conversion import convert, names_in_file
from tfcompress.quantization.calibration import Calibration
from tfcompress.quantization.post_training import quantize_calibrated

IMAGES = np.random.default_rng(0).random((16, 8, 8, 1)).astype("float32")


def outputs(content, image):
    """What a file gives for one image in [0, 1], as real numbers."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (given,), (made,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    scale, zero = given["quantization"]
    if scale:
        image = np.round(image / scale) + zero
    interpreter.set_tensor(given["index"], image[np.newaxis].astype(given["dtype"]))
    interpreter.invoke()
    result = interpreter.get_tensor(made["index"])[0].astype("float32")
    scale, zero = made["quantization"]
    return (result - zero) * scale if scale else result


@pytest.mark.parametrize("port_type", ["int8", "uint8", "float32"])
def test_ports_of_an_int8_file_are_as_asked_for(port_type):
    quantized = quantize_calibrated(tiny.model(), IMAGES, Calibration())
    content = convert(quantized, "int8", port_type=port_type)
    interpreter = Interpreter(model_content=content)
    for port in (*interpreter.get_input_details(), *interpreter.get_output_details()):
        assert port["dtype"] == np.dtype(port_type)
    expected = quantized(IMAGES[:1], training=False)[0].numpy()
    step = np.ptp(expected) / 20
    np.testing.assert_allclose(outputs(content, IMAGES[0]), expected, atol=step)


def test_automatic_names_count_from_zero_and_others_stay():
    layers = keras.layers
    for _ in range(3):
        layers.Conv2D(1, 1)  # Keras counts on.
    image = keras.Input((4, 4, 1))
    x = layers.Conv2D(1, 1)(layers.Conv2D(1, 1, name="mine_3")(image))
    model = keras.Model(image, layers.Conv2D(1, 1)(x))
    assert names_in_file(model.layers[1:]) == ["mine_3", "conv2d", "conv2d_1"]


def test_what_the_converter_cannot_take_is_one_line():
    image = keras.Input((4, 4, 1))
    odd = keras.layers.Lambda(tf.math.digamma)(image)  # Its name is left to Keras.
    model = keras.Model(image, odd, name="odd")
    with pytest.raises(ExportError) as caught:
        convert(model, "float16")
    assert str(caught.value) == (
        "the TFLite converter cannot convert 'odd' to float16: the runtime has no "
        "operator for Digamma, in float neither, which layer "
        f"{model.layers[1].name!r} computes; replace that layer"
    )
