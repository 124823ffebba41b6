import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import TrainingError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.kept_weights import (
    check_kept,
    kept_kernels,
    kept_weights,
    share_values,
)


def clustered():
    """The tiny net with 5 values in its stem, of which zero is one."""
    model = tiny.model()
    layer = model.get_layer("stem_conv")
    values = np.arange(layer.kernel.shape.num_elements()) % 5 - 2
    layer.kernel.assign(values.reshape(layer.kernel.shape) / 10)
    return model


def stem(quantized):
    (found,) = (
        rounded
        for rounded in kept_kernels(quantized)
        if rounded.wrapper.layer.name == "stem_conv"
    )
    return found


def test_only_layers_with_zeros_or_few_values_have_something_to_keep():
    (kept,) = kept_weights(clustered()).items()
    assert kept[0] == "stem_conv" and kept[1].sharing == "layer"
    # 72 weights count 14 times from -2 to 2 and end with -2 and -1.
    assert (kept[1].counts.num_values, kept[1].counts.num_zeros) == (5, 14)


def test_a_layer_that_begins_with_zeros_only_has_nothing_to_keep():
    model = clustered()
    logits = model.get_layer("logits")
    logits.kernel.assign(np.zeros((8, 3)))
    assert set(kept_weights(model)) == {"stem_conv"}


def test_a_fake_quantized_model_knows_what_it_has_to_keep():
    quantized = fake_quantize(clustered())
    assert len(list(kept_kernels(quantized))) == 4
    assert stem(quantized).kept == kept_weights(clustered())["stem_conv"]


def test_what_drifted_apart_becomes_equal_again():
    quantized = fake_quantize(clustered())
    kernel = stem(quantized).kernel
    random = np.random.default_rng(0)
    kernel.assign(kernel * random.uniform(0.99, 1.01, kernel.shape))
    assert np.unique(kernel.numpy()).size > 5
    share_values(quantized)
    assert np.unique(kernel.numpy()).size == 5


def test_a_loss_is_refused_by_name():
    kept = kept_weights(clustered())
    quantized = fake_quantize(clustered())
    check_kept(quantized, kept, "nothing")
    kernel = stem(quantized).kernel
    values = kernel.numpy()
    values[0, 0, 0, 0] = 7.0
    kernel.assign(values)
    with pytest.raises(TrainingError, match=r"'stem_conv' lost its 5 values.*by fire"):
        check_kept(quantized, kept, "fire")
    kernel.assign(np.ones(kernel.shape))
    with pytest.raises(TrainingError, match="lost 14 of 14 zeros"):
        check_kept(quantized, kept, "fire")


def test_layers_without_a_kernel_have_nothing_to_keep():
    image = keras.Input((4, 4, 1))
    assert kept_weights(keras.Model(image, keras.layers.ReLU()(image))) == {}
