from dataclasses import replace

import numpy as np
import pytest
import tf_keras as keras

import tfcompress as tfc
from tfcompress.errors import DataError, ModelError
from tfcompress.quality.robustness.result import RobustnessRow
from tfcompress.training.progress import Progress

layers = keras.layers

# Grey 8x8 images on which two rows, those of the class, are brighter by 0.1.
LABELS = np.repeat([0, 1, 2], 10)
IMAGES = np.full((30, 8, 8, 1), 0.5, np.float32)
for image, label in zip(IMAGES, LABELS, strict=True):
    image[2 * label : 2 * label + 2] = 0.6
# Calibration sees even images from black to white: what int8 has no range for is cut.
SHADES = np.tile(np.linspace(0, 1, 10, dtype=np.float32), 3)
EVEN = np.ones_like(IMAGES) * SHADES[:, None, None, None]
DATA = tfc.data.from_arrays((EVEN, LABELS), (IMAGES, LABELS))
BRIGHTER = tfc.Perturbations(("brightness",), attacks=())


def classifier(*head):
    """Its logits are the mean brightness of the two rows of each class."""
    rows = np.repeat(np.arange(8), 8)[:, None]
    kernel = (rows // 2 == np.arange(3)) / 16
    mean = layers.Dense(3, use_bias=False, name="mean")
    model = keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Flatten(), mean, *head], name="rows"
    )
    mean.set_weights([kernel])
    return model


@pytest.fixture(scope="module")
def int8_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "m.tflite"
    return tfc.export_tflite(classifier(), path, DATA, quantization="int8").path


def tops(result, perturbation):
    return [row.top1 for row in result.under(perturbation)]


def test_accuracy_is_that_on_the_changed_images():
    result = tfc.robustness(classifier(), DATA, perturbations=BRIGHTER)
    assert result.top1 == 1
    # 0.5 + 0.5 and 0.6 + 0.5 are both 1: equal logits are class 0, a third of all.
    assert tops(result, "brightness") == pytest.approx([1, 1, 1, 1, 1 / 3])
    assert result.rows[2] == RobustnessRow("brightness", 3, 0.3, False, 1, None)
    assert (result.baseline, result.baseline_top1, result.attacked) == (None,) * 3


@pytest.mark.parametrize("head", [(), (layers.Softmax(),)])
def test_fgsm_turns_a_linear_model_where_arithmetic_says(head):
    chosen = tfc.Perturbations((), attacks=("fgsm",))
    result = tfc.robustness(classifier(*head), DATA, perturbations=chosen)
    # The margin of 0.1 is used up by 2 * epsilon: not by 8 / 255, but by 16 / 255.
    assert tops(result, "fgsm") == [1, 1, 1, 1, 0]
    assert result.attacked == "rows"


def test_a_file_is_shown_what_turns_its_keras_model(int8_file):
    chosen = tfc.Perturbations(("brightness",), strengths=(4, 5))
    result = tfc.robustness(int8_file, DATA, classifier(), chosen)
    assert (result.model, result.baseline) == (str(int8_file), "rows")
    assert result.attacked == "rows"
    assert result.perturbations == ["brightness", "fgsm", "pgd"]
    for which in ("top1", "baseline_top1"):
        found = [getattr(row, which) for row in result.rows]
        assert found == pytest.approx([1, 1 / 3, 1, 0, 1, 0])
    assert result.mean_corruption_error == 1


def test_a_file_alone_is_corrupted_but_not_attacked(int8_file):
    chosen = tfc.Perturbations(("brightness",))
    result = tfc.robustness(int8_file, DATA, perturbations=chosen)
    assert result.attacked is None
    assert result.perturbations == ["brightness"]


def test_a_part_of_the_images_is_balanced_and_counted():
    chosen = replace(BRIGHTER, num_images=9, seed=3)
    result = tfc.robustness(classifier(), DATA, perturbations=chosen)
    assert (result.num_images, result.seed) == (9, 3)
    assert result.rows[-1].top1 == pytest.approx(1 / 3)


def test_a_gradient_of_a_file_is_refused(int8_file):
    chosen = replace(BRIGHTER, attacks=("pgd",))
    with pytest.raises(ModelError, match=r"need a gradient, which .*m\.tflite has not"):
        tfc.robustness(int8_file, DATA, perturbations=chosen)


def test_jpeg_of_two_channels_is_refused():
    pair = (np.repeat(IMAGES, 2, axis=3), LABELS)
    data = tfc.data.from_arrays(pair, pair)
    model = keras.Sequential(
        [layers.Input((8, 8, 2)), layers.Flatten(), layers.Dense(3)]
    )
    with pytest.raises(DataError, match=r"1 or 3 channels, .* 2; name the other"):
        tfc.robustness(model, data)


def test_a_model_that_does_not_fit_is_refused():
    with pytest.raises(ModelError, match="takes inputs of shape"):
        tfc.robustness(keras.Sequential([layers.Input((4, 4, 1))]), DATA)


def test_progress_counts_batches_of_all_conditions():
    class Steps(Progress):
        planned, done = 0, 0

        def plan(self, stages):
            ((_, self.planned),) = stages

        def step(self, n=1):
            self.done += n

    progress = Steps(mode="silent")
    big = replace(DATA, test=DATA.test.take(np.zeros(300, int)))
    tfc.robustness(classifier(), big, perturbations=BRIGHTER, progress=progress)
    # 300 images are 2 batches, unchanged and under 5 conditions.
    assert (progress.planned, progress.done) == (12, 12)
