import json

import numpy as np
import pytest
import tf_keras as keras

from tfcompress.data import from_arrays
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.export import export_tflite
from tfcompress.quality.accuracy import accuracy, agreement, evaluate, predict
from tfcompress.training.progress import Progress

layers = keras.layers
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((300, 6, 6, 2), dtype=np.float32)
LABELS = RANDOM.integers(0, 7, 300)
DATA = from_arrays(
    train=(IMAGES, LABELS), test=(IMAGES, LABELS), validation=(IMAGES[:40], LABELS[:40])
)


def classifier(head):
    model = keras.Sequential([layers.Input((6, 6, 2)), layers.Conv2D(5, 3), *head])
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def model():
    return classifier([layers.GlobalAveragePooling2D(), layers.Dense(7)])


def test_accuracy_counts_ranks():
    logits = np.array([[9, 8, 7, 6, 5, 4.0]] * 6)
    # Label k has rank k: one of six is first, five of six are among five.
    result = accuracy(logits, np.arange(6))
    assert (result.top1, result.top5, result.num_examples) == (1 / 6, 5 / 6, 6)


def test_accuracy_tells_classes_apart_and_how_sure_the_model_is():
    logits = np.log([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.2, 0.6, 0.2]])
    result = accuracy(logits, np.array([0, 1, 1]))
    np.testing.assert_array_equal(result.per_class, [1, 1 / 2, np.nan])
    assert result.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    # Two at 0.8, one of them right; one at 0.6, right.
    expected = 2 / 3 * (0.8 - 0.5) + 1 / 3 * (1 - 0.6)
    assert result.calibration_error == pytest.approx(expected)
    of_probabilities = accuracy(np.exp(logits), np.array([0, 1, 1]))
    assert of_probabilities.calibration_error == pytest.approx(expected)


def test_accuracy_has_json_values():
    result = accuracy(np.eye(3)[:2] * 9, np.array([0, 1])).to_dict()
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["per_class"] == [1, 1, None]
    assert result["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_accuracy_gives_ties_to_the_first_class_as_argmax_does():
    logits = np.zeros((6, 6))
    assert accuracy(logits, np.arange(6)).top1 == 1 / 6
    assert accuracy(logits, np.arange(6)).top5 == 5 / 6


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 3)), np.zeros(3, int), "shape"),
        (np.zeros((0, 3)), np.zeros(0, int), "not empty"),
        (np.zeros((2, 3)), np.array([0, 3]), "from 0 to 3"),
        (np.array([[0, np.nan], [0, 1]]), np.array([0, 1]), "1 of 2 examples are NaN"),
    ],
)
def test_accuracy_refuses_what_does_not_go_together(logits, labels, message):
    with pytest.raises(InvalidArgumentError, match=message):
        accuracy(logits, labels)


def test_agreement_is_the_share_of_equal_classes():
    a = np.eye(4)
    b = a[[0, 1, 3, 2]]
    assert agreement(a, b) == 0.5
    with pytest.raises(InvalidArgumentError, match="two equal ones"):
        agreement(a, b[:2])


def test_predict_runs_a_keras_model_in_order(model):
    expected = model(IMAGES, training=False).numpy()
    np.testing.assert_allclose(predict(model, DATA), expected, atol=1e-5)
    np.testing.assert_allclose(
        predict(model, DATA, "validation"), expected[:40], atol=1e-5
    )


def test_predict_runs_a_float_file_as_keras_does(tmp_path, model):
    path = export_tflite(model, tmp_path / "m.tflite", quantization="float32").path
    np.testing.assert_allclose(predict(path, DATA), predict(model, DATA), atol=1e-5)


@pytest.mark.parametrize("quantization", ["int8", "int16x8"])
def test_predict_quantizes_and_dequantizes(tmp_path, model, quantization):
    path = export_tflite(model, tmp_path / "m.tflite", DATA, quantization).path
    expected = predict(model, DATA)
    error = np.abs(predict(str(path), DATA) - expected).max()
    # Three operators and the input, each off by less than a step of 8 bits.
    assert error <= 4 / 256 * np.ptp(expected)


def test_a_file_that_takes_one_image_only_is_run_one_by_one(tmp_path):
    # Flatten becomes a RESHAPE to [1, 80]: no batch can go through it.
    model = classifier([layers.Flatten(), layers.Dense(7)])
    path = export_tflite(model, tmp_path / "m.tflite", quantization="float32").path
    np.testing.assert_allclose(predict(path, DATA), predict(model, DATA), atol=1e-3)


def test_evaluate_compares_with_the_labels(model):
    expected = np.mean(model(IMAGES).numpy().argmax(1) == LABELS)
    result = evaluate(model, DATA)
    assert result.top1 == pytest.approx(expected)
    assert result.num_examples == 300


def test_evaluate_measures_a_file_as_the_model_it_was_made_from(tmp_path, model):
    path = export_tflite(model, tmp_path / "m.tflite", quantization="float32").path
    of_file, of_model = evaluate(path, DATA), evaluate(model, DATA)
    np.testing.assert_array_equal(of_file.confusion, of_model.confusion)
    error = of_model.calibration_error
    assert of_file.calibration_error == pytest.approx(error, abs=1e-5)


def test_evaluate_counts_its_batches(model):
    class Steps(Progress):
        planned, done = 0, 0

        def plan(self, stages):
            ((_, self.planned),) = stages

        def step(self, n=1):
            self.done += n

    progress = Steps(mode="silent")
    evaluate(model, DATA, progress=progress)
    # 300 images in batches of 256.
    assert (progress.planned, progress.done) == (2, 2)


def test_file_that_does_not_fit_the_data_is_refused(tmp_path, model):
    path = export_tflite(model, tmp_path / "m.tflite", quantization="float32").path
    small = (IMAGES[:, :4], LABELS)
    data = from_arrays(train=small, test=small)
    for given in (path, model):
        with pytest.raises(ModelError, match=r"\(4, 6, 2\)"):
            predict(given, data)


def test_damaged_file_is_one_line(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\0\0\0\0TFL3" + bytes(range(100)))
    with pytest.raises(ModelError, match="is damaged"):
        predict(path, DATA)
