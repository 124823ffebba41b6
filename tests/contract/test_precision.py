"""Models of mixed precision, while Keras' global policy makes new layers so, too."""

from dataclasses import replace

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc

pytestmark = pytest.mark.filterwarnings("ignore:channel pruning went down")
DATA = tiny.data()
FEW = {"batch_size": 36, "epochs": 1}
STAGES = [
    tfc.Pruning(**FEW),
    tfc.Clustering(num_clusters=4, **FEW),
    tfc.QuantizationAware(**FEW),
    tfc.ChannelPruning(importance="taylor", round_to=1, min_channels=1, epochs=0),
    tfc.LayerPruning(num_blocks=1, epochs=0),
]


@pytest.fixture
def mixed():
    """Sets the global policy; the model that it makes has float32 weights."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield tiny.model()
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="module")
def plain():
    return tiny.model()


def policies(model):
    return {layer.name: layer.dtype_policy.name for layer in model.layers}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
def test_a_stage_does_what_it_does_to_the_float32_model(plain, mixed, stage, tmp_path):
    """Choosing channels, TF-MOT and rounding all go on in float32, so bit by bit."""
    got = stage(mixed, tfc.Run(DATA, tmp_path / "mixed"))
    assert keras.mixed_precision.global_policy().name == "mixed_float16"
    keras.mixed_precision.set_global_policy("float32")
    expected = stage(plain, tfc.Run(DATA, tmp_path / "plain"))
    for ours, theirs in zip(got.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    if isinstance(stage, tfc.QuantizationAware):
        assert set(policies(got).values()) == {"float32"}
    else:
        was = policies(mixed)
        assert policies(got) == {layer.name: was[layer.name] for layer in got.layers}


def test_what_is_left_of_the_channels_is_trained_in_its_own_precision(mixed, tmp_path):
    stage = replace(STAGES[3], target=0.5, epochs=1, learning_rate=1e-3)
    pruned = stage(mixed, tfc.Run(DATA, tmp_path))
    assert pruned.output.dtype == "float16"
    assert pruned.count_params() < mixed.count_params()


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_its_file_is_that_of_the_float32_model(plain, mixed, quantization, tmp_path):
    paths = tmp_path / "mixed.tflite", tmp_path / "plain.tflite"
    for model, path in zip((mixed, plain), paths, strict=True):
        tfc.export_tflite(model, path, DATA, quantization)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.usefixtures("mixed")
def test_what_loading_puts_in_is_float32():
    image = keras.Input((8, 8, 3))
    loaded = tfc.load_model(keras.Model(image, keras.layers.Flatten()(image) * 2.0))
    assert set(policies(loaded).values()) == {"float32"}
