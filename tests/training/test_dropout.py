import numpy as np
import tf_keras as keras

from tfcompress.training.dropout import reseedable_dropout

ONES = np.ones((4, 50), np.float32)


def make():
    inner = keras.Sequential(
        [keras.Input((50,)), keras.layers.Dropout(0.5, name="inner")], name="nested"
    )
    image = keras.Input((50,), name="image")
    x = keras.layers.GaussianNoise(0.1, name="noise")(inner(image))
    return keras.Model(image, keras.layers.Dropout(0.5, name="outer")(x))


def test_masks_depend_on_seed_and_epoch_alone():
    def drawn(seed, epochs):
        model = make()
        with reseedable_dropout(model, seed) as reseed:
            for epoch in epochs:
                reseed(epoch)
                outputs = [model(ONES, training=True).numpy() for _ in range(2)]
        return outputs

    whole, resumed = drawn(3, [0, 1, 2]), drawn(3, [2])
    np.testing.assert_array_equal(whole, resumed)
    assert not np.array_equal(whole[0], whole[1])
    assert not np.array_equal(whole[0], drawn(3, [1])[0])
    assert not np.array_equal(whole[0], drawn(4, [2])[0])


def test_layers_draw_different_masks():
    x = image = keras.Input((50,), name="image")
    outputs = [keras.layers.Dropout(0.5, name=name)(x) for name in ("a", "b")]
    model = keras.Model(image, outputs)
    with reseedable_dropout(model, 0) as reseed:
        reseed(0)
        first, second = model(ONES, training=True)
    assert not np.array_equal(first, second)


def test_layers_are_as_before_afterwards():
    model = make()
    config, weights = model.get_config(), len(model.weights)
    before = model.get_layer("outer")._random_generator
    with reseedable_dropout(model, 0):
        assert model.get_layer("outer")._random_generator is not before
        assert len(model.weights) == weights
    assert model.get_layer("outer")._random_generator is before
    assert model.get_config() == config
