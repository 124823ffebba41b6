import numpy as np
import pytest
import tf_keras as keras

import tfcompress as tfc
from tfcompress.layers.channel_shuffle import ChannelShuffle
from tfcompress.quality.accuracy import predict


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (1, [0, 1, 2, 3, 4, 5]),
        (2, [0, 3, 1, 4, 2, 5]),
        (3, [0, 2, 4, 1, 3, 5]),
        (6, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_deals_channels_like_cards(groups, expected):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype(np.float32)
    np.testing.assert_array_equal(ChannelShuffle(groups)(x), x[..., expected])


def test_open_sides():
    inputs = keras.Input((None, None, 4))
    model = keras.Model(inputs, ChannelShuffle(2)(inputs))
    assert model.output_shape == (None, None, None, 4)
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_array_equal(model(x), x[..., [0, 2, 1, 3]])


@pytest.mark.parametrize("groups", [0, -1, 1.5, None, True])
def test_groups_are_a_whole_number_above_0(groups):
    with pytest.raises(ValueError, match="expected a whole number above 0"):
        ChannelShuffle(groups)


def test_groups_divide_the_channels():
    with pytest.raises(ValueError, match="'mine' has groups=4 and 6 input channels"):
        ChannelShuffle(4, name="mine")(np.zeros((1, 2, 2, 6)))
    with pytest.raises(ValueError, match="groups=4 and None input channels"):
        ChannelShuffle(4)(keras.Input((2, 2, None)))


def test_is_reshape_transpose_reshape_for_a_batch_of_any_size(tmp_path):
    inputs = keras.Input((8, 8, 6), name="image")
    x = ChannelShuffle(3, name="shuffle")(inputs)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, x, name="small")
    path = tmp_path / "m.tflite"
    audit = tfc.export_tflite(model, path, quantization="float32").audit
    assert audit.ops == {"RESHAPE": 2, "TRANSPOSE": 1, "MEAN": 1}
    images = np.random.default_rng(0).normal(size=(12, 8, 8, 6)).astype(np.float32)
    labels = np.arange(12) % 6
    data = tfc.data.from_arrays((images, labels), (images, labels))
    np.testing.assert_allclose(
        predict(path, data), predict(model, data), rtol=1e-5, atol=1e-6
    )


def test_survives_saving(tmp_path):
    inputs = keras.Input((2, 2, 6))
    model = keras.Model(inputs, ChannelShuffle(2, name="shuffle")(inputs))
    model.save(tmp_path / "m.keras")
    restored = keras.models.load_model(tmp_path / "m.keras")
    assert restored.get_layer("shuffle").groups == 2
