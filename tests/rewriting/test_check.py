import keras as keras_3
import pytest
import tiny

from tfcompress.errors import ModelError
from tfcompress.rewriting.check import check_tf_keras


def test_only_models_of_tf_keras_go_on():
    check_tf_keras(tiny.model())
    keras_3_model = keras_3.Sequential([keras_3.Input((3,)), keras_3.layers.Dense(2)])
    for given, kind in (("model.keras", "str"), (keras_3_model, "Sequential")):
        expected = f"a {kind} was given; expected a tf_keras"
        with pytest.raises(ModelError, match=expected):
            check_tf_keras(given)
