import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import Calibration, calibrate
from tfcompress.training.quantization_log import QuantizationLog

layers = keras.layers


def test_histograms_bounds_and_what_lies_outside(tmp_path):
    image = layers.Input((1, 3, 1), name="image")
    conv = layers.Conv2D(1, 1, use_bias=False, name="conv")
    both = layers.Concatenate(name="both")([conv(image), image])
    model = keras.Model(image, both)
    conv.kernel.assign([[[[1.0]]]])
    quantized = fake_quantize(model)
    calibrate(quantized, np.float32([[[[0], [1], [4]]]]), Calibration(method="min_max"))
    quantized.get_layer("quant_conv").trainable_weights[0].assign([[[[3.0]]]])
    log = QuantizationLog(quantized, np.float32([[[[1], [2], [5]]]]), tmp_path)
    log.on_train_begin()
    log.on_epoch_end(4)
    log.on_train_end()
    events = EventAccumulator(str(tmp_path)).Reload()

    def value(tag):
        (event,) = events.Tensors(tag)
        assert event.step == 5
        return tf.make_ndarray(event.tensor_proto)

    # The range of both is 0 to 4; the input is 1, 2, 5, the convolution 3, 6, 15.
    assert [value("range_low/image"), value("range_high/image")] == [0, 4]
    assert value("clipped/image") == pytest.approx(1 / 3)
    assert value("clipped/image_2") == pytest.approx(2 / 3)
    assert value("activations/image_2")[-1, 1] == pytest.approx(15)
    assert value("kernels/conv")[:, 2].sum() == 1
