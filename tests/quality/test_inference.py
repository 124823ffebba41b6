from pathlib import Path

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny

from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
from tfcompress.loading import save_model
from tfcompress.quality.inference import (
    answers,
    batch_size_for,
    name_of,
    open_model,
)

IMAGES = np.random.default_rng(0).random((7, 8, 8, 1), np.float32)
BATCHES = [IMAGES[:3], IMAGES[3:6], IMAGES[6:]]


def together(opened):
    return np.concatenate(list(answers(opened, BATCHES, 3)))


def test_a_model_its_file_and_its_tflite_answer_alike(tmp_path):
    model, data = tiny.model(), tiny.data()
    expected = model(IMAGES).numpy()
    save_model(model, tmp_path / "m.keras")
    export_tflite(model, tmp_path / "m.tflite", quantization="float32")
    for given in (model, str(tmp_path / "m.keras"), tmp_path / "m.tflite"):
        opened = open_model(given, data)
        np.testing.assert_allclose(together(opened), expected, atol=1e-5)
    assert name_of(opened) == str(tmp_path / "m.tflite")
    assert name_of(model) == "tiny"


def test_a_live_keras_3_model_answers_too():
    layers = keras_3.layers
    model = keras_3.Sequential(
        [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)]
    )
    opened = open_model(model, tiny.data())
    expected = model(IMAGES).numpy()
    np.testing.assert_allclose(together(opened), expected, atol=1e-5)


def test_answers_come_as_they_are_asked_for():
    taken = []

    def batches():
        for batch in BATCHES:
            taken.append(len(batch))
            yield batch

    outputs = answers(tiny.model(), batches(), 3)
    next(outputs)
    assert taken == [3]


@pytest.mark.parametrize(("shape", "size"), [((8, 8, 1), 256), ((64, 64, 1), 64)])
def test_batches_have_a_megabyte_or_256_images(shape, size):
    assert batch_size_for(shape) == size
    assert batch_size_for((2048, 2048, 3)) == 1


def test_nan_is_refused_for_models_and_files(tmp_path):
    layers = keras.layers
    # Sums of 64 pixels times 3e38 are beyond the range of float32.
    huge = layers.Dense(3, kernel_initializer=keras.initializers.Constant(3e38))
    model = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), huge])
    path = export_tflite(model, tmp_path / "m.tflite", quantization="float32").path
    for given in (model, Path(path)):
        with pytest.raises(ModelError, match="NaN or infinite outputs for 3 of 3"):
            together(given)


def test_files_of_several_inputs_or_outputs_are_refused_as_their_models_are(tmp_path):
    layers, path = keras.layers, tmp_path / "m.tflite"
    one, two = layers.Input((8, 8, 1)), layers.Input((8, 8, 1))
    logits = layers.Dense(3)(layers.Flatten()(one))
    for model, match in (
        (
            keras.Model([one, two], logits + layers.Dense(3)(layers.Flatten()(two))),
            r"inputs of shapes .*\(1, 8, 8, 1\).*; expected one, of \(8, 8, 1\)",
        ),
        (
            keras.Model(one, [logits, layers.ReLU()(logits)]),
            r"outputs of shapes .*\(1, 3\).*; expected one, of \(3,\)",
        ),
    ):
        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
        with pytest.raises(ModelError, match=match) as refused:
            open_model(path, tiny.data())
        assert str(path) in str(refused.value)
        with pytest.raises(ModelError, match=match.replace("1, ", "None, ", 1)):
            open_model(model, tiny.data())


def test_what_does_not_fit_is_refused():
    model = keras.Sequential([keras.Input((4, 8, 1)), keras.layers.Flatten()])
    with pytest.raises(ModelError, match=r"\(4, 8, 1\)"):
        open_model(model, tiny.data())
