import tf_keras as keras

from tfcompress.rewriting.canonical import canonicalize

layers = keras.layers


def test_all_canonical_rewrites_are_made_and_no_others(rewritten):
    image = keras.Input((8, 8, 4), name="image")
    x = layers.Rescaling(0.5, -1.0, name="rescale")(image)
    x = layers.SeparableConv2D(4, 3, activation="swish", name="separable")(x)
    x = layers.BatchNormalization(name="norm")(x)
    relu = layers.ReLU(6.0, name="relu")(layers.Rescaling(1, 3, name="plus")(x))
    x = layers.Multiply(name="swish")([x, layers.Rescaling(1 / 6, name="by")(relu)])
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Conv2D(6, 3, groups=2, activation="relu", name="grouped")(x)
    model, changes = rewritten(keras.Model(image, x), canonicalize)
    assert {layer.name: type(layer).__name__ for layer in model.layers} == {
        "image": "InputLayer",
        "rescale": "Rescaling",
        "separable_depthwise": "DepthwiseConv2D",
        "separable": "Conv2D",
        "norm": "BatchNormalization",
        "swish": "HardSwish",
        "dropout": "Dropout",
        "grouped": "GroupedConv2D",
    }
    assert [change.layer for change in changes] == [
        "separable", "grouped", "swish", "by", "relu", "plus",
    ]  # fmt: skip


def test_a_canonical_model_stays_as_it_is(rewritten):
    image = keras.Input((4,), name="image")
    model = keras.Model(image, layers.Dense(3, activation="tanh", name="out")(image))
    assert rewritten(model, canonicalize)[1] == []
