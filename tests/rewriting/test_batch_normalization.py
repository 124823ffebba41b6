import pytest
import tf_keras as keras

from tfcompress.rewriting.batch_normalization import fold_batch_normalization

layers = keras.layers


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv1D(4, 2, name="x"), (6, 3)),
        (layers.Conv2D(4, 3, padding="same", use_bias=False, name="x"), (6, 6, 3)),
        (layers.Conv2DTranspose(4, 3, 2, name="x"), (6, 6, 3)),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, name="x"), (6, 6, 3)),
        (layers.Dense(5, use_bias=False, name="x"), (4,)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_norm_goes_into_the_layer_before(rewritten, layer, shape):
    image = keras.Input(shape, name="image")
    norm = layers.BatchNormalization(name="norm")(layer(image))
    model, changes = rewritten(keras.Model(image, norm), fold_batch_normalization)
    assert [part.name for part in model.layers] == ["image", "x"]
    assert changes == [("norm", "folded into x")]
    assert model.get_layer("x").use_bias


def stays(rewritten, body, shape=(6, 6, 3)):
    image = keras.Input(shape, name="image")
    model = keras.Model(image, body(image))
    return rewritten(model, fold_batch_normalization)[1] == []


def test_a_norm_behind_an_activation_stays(rewritten):
    conv = layers.Conv2D(4, 1, activation="relu")
    assert stays(rewritten, lambda x: layers.BatchNormalization()(conv(x)))


def test_a_norm_stays_where_something_else_takes_the_same(rewritten):
    def body(x):
        x = layers.Conv2D(4, 1)(x)
        return layers.Add()([x, layers.BatchNormalization()(x)])

    assert stays(rewritten, body)


def test_a_shared_convolution_keeps_its_norms(rewritten):
    def body(x):
        conv = layers.Conv2D(3, 1)
        x = layers.BatchNormalization()(conv(x))
        return layers.BatchNormalization()(conv(x))

    assert stays(rewritten, body)


def test_a_norm_that_is_shared_is_folded_where_it_can_be(rewritten):
    image = keras.Input((4,), name="image")
    norm = layers.BatchNormalization(name="norm")
    x = norm(layers.Dense(4, name="dense")(image))
    model = keras.Model(image, norm(layers.ReLU(name="relu")(x)))
    result, _ = rewritten(model, fold_batch_normalization)
    assert [part.name for part in result.layers] == ["image", "dense", "relu", "norm"]
