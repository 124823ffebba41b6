import keras as keras_3
import pytest
import tf_keras as keras
from tiny import dense

import tfcompress as tfc
from tfcompress.errors import ModelError
from tfcompress.training.logits import check_outputs_logits


def test_logits_are_told_from_probabilities():
    check_outputs_logits(dense(), "model")
    check_outputs_logits(dense(activation="linear"), "model")
    with pytest.raises(ModelError, match="softmax"):
        check_outputs_logits(dense(activation="softmax"), "model")
    with pytest.raises(
        ModelError, match=r"'logits' is a sigmoid\), .* without the sig"
    ):
        check_outputs_logits(dense(activation="sigmoid"), "teacher")
    separate = keras.Sequential([dense(), keras.layers.Softmax(name="probabilities")])
    with pytest.raises(ModelError, match="'probabilities'"):
        check_outputs_logits(separate, "model")


@pytest.mark.parametrize("family", [keras, keras_3], ids=["keras_2", "keras_3"])
def test_activations_that_are_layers_are_seen_through(family):
    layers = family.layers

    def ending_in(last):
        return family.Sequential([layers.Input((4,)), last])

    softmax = layers.Softmax()
    for last in (
        layers.Dense(3, activation=softmax, name="last"),
        layers.Dense(3, activation=layers.Activation("softmax"), name="last"),
        layers.Activation(softmax, name="last"),
    ):
        for model in (ending_in(last), tfc.load_model(ending_in(last))):
            with pytest.raises(ModelError, match="'last' is a softmax"):
                check_outputs_logits(model, "model")
    check_outputs_logits(ending_in(layers.Dense(3, activation=layers.ReLU())), "model")
