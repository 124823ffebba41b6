import pytest
import tf_keras as keras

from tfcompress.layers.hard_swish import HardSigmoid, HardSwish
from tfcompress.rewriting.affine_layers import fold_affine_backward
from tfcompress.rewriting.hard_swish import merge_hard_swish, split_hard_swish

layers = keras.layers


def gate(x):
    return layers.ReLU(6.0, name="relu")(layers.Rescaling(1.0, 3.0, name="plus")(x))


def gate_by_activation(x):
    return layers.Activation("relu6")(layers.Rescaling(1, 3)(x))


def sixth(x, name="sixth"):
    return layers.Rescaling(1 / 6, name=name)(x)


def multiply(*tensors, name="out"):
    return layers.Multiply(name=name)(list(tensors))


def built(body):
    image = keras.Input((4, 4, 3), name="image")
    return keras.Model(image, body(layers.Conv2D(3, 1, name="conv")(image)))


SPELLINGS = {
    "the gate divided": lambda x: multiply(x, sixth(gate(x))),
    "the other way round": lambda x: multiply(sixth(gate(x)), x),
    "the product divided": lambda x: sixth(multiply(x, gate(x), name="m"), "out"),
    "the input divided": lambda x: multiply(sixth(x), gate(x)),
    "relu6 as an activation": lambda x: multiply(x, sixth(gate_by_activation(x))),
    "a hard sigmoid": lambda x: multiply(x, HardSigmoid()(x)),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_becomes_one_layer(rewritten, spelling):
    model, changes = rewritten(built(SPELLINGS[spelling]), merge_hard_swish)
    assert [layer.name for layer in model.layers] == ["image", "conv", "out"]
    assert type(model.get_layer("out")) is HardSwish
    assert ("out", "rewritten to HardSwish") in changes


def test_a_scaled_input_is_not_taken_for_the_sixth(rewritten):
    def body(x):
        scaled = layers.Rescaling(2.0, name="twice")(x)
        return multiply(scaled, sixth(gate(scaled)))

    model, _ = rewritten(built(body), merge_hard_swish)
    assert [layer.name for layer in model.layers][2:] == ["twice", "out"]


DIFFERENT = {
    "another tensor": lambda x: multiply(layers.ReLU(name="x")(x), sixth(gate(x))),
    "another divisor": lambda x: multiply(x, layers.Rescaling(0.2)(gate(x))),
    "another shift": lambda x: multiply(
        x, sixth(layers.ReLU(6.0)(layers.Rescaling(1, 2.5)(x)))
    ),
    "a sloped gate": lambda x: multiply(
        x, sixth(layers.ReLU(6.0, negative_slope=0.1)(layers.Rescaling(1, 3)(x)))
    ),
    "another bound": lambda x: multiply(
        x, sixth(layers.ReLU(5.0)(layers.Rescaling(1, 3)(x)))
    ),
    "factors by channel": lambda x: multiply(
        x, layers.Rescaling([1 / 6, 1 / 6, 0.1])(gate(x))
    ),
    "three factors": lambda x: multiply(x, x, sixth(gate(x))),
    "a sum": lambda x: layers.Add()([x, sixth(gate(x))]),
}


@pytest.mark.parametrize("difference", DIFFERENT)
def test_what_only_looks_like_it_stays(rewritten, difference):
    _, changes = rewritten(built(DIFFERENT[difference]), merge_hard_swish)
    assert changes == []


def test_parts_that_are_used_elsewhere_stay(rewritten):
    def body(x):
        part = sixth(gate(x))
        return layers.Add(name="sum")([multiply(x, part), part])

    model, changes = rewritten(built(body), merge_hard_swish)
    assert changes == [("out", "rewritten to HardSwish")]
    assert {"plus", "relu", "sixth", "out"} < {layer.name for layer in model.layers}


def test_layers_shared_by_two_hard_swishes_are_merged_twice(rewritten):
    plus, relu = layers.Rescaling(1.0, 3.0), layers.ReLU(6.0)
    times, by = layers.Multiply(name="times"), layers.Rescaling(1 / 6)

    def body(x):
        once = times([x, by(relu(plus(x)))])
        return times([once, by(relu(plus(once)))])

    model, _ = rewritten(built(body), merge_hard_swish)
    assert [type(layer).__name__ for layer in model.layers][2:] == ["HardSwish"] * 2


def test_one_layer_becomes_a_gate_and_a_product(rewritten):
    def body(x):
        return HardSwish(name="out")(layers.BatchNormalization(name="norm")(x))

    model, changes = rewritten(built(body), split_hard_swish, fold_affine_backward)
    assert [(layer.name, type(layer).__name__) for layer in model.layers][2:] == [
        ("norm", "BatchNormalization"),
        ("out_gate", "HardSwishGate"),
        ("out", "Multiply"),
    ]
    assert changes[0] == ("out", "rewritten to HardSwishGate and Multiply")


def test_a_hard_swish_that_is_called_twice_is_split_twice(rewritten):
    shared = HardSwish(name="shared")
    model, _ = rewritten(
        built(lambda x: shared(layers.Conv2D(3, 1)(shared(x)))), split_hard_swish
    )
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("HardSwishGate") == kinds.count("Multiply") == 2
