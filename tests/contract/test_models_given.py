"""Whatever is given for a model that is none is refused in one line, everywhere."""

import keras as keras_3
import pytest
import tiny

import tfcompress as tfc

STAGES = (
    tfc.Training(epochs=1),
    tfc.Pruning(epochs=0),
    tfc.ChannelPruning(epochs=0),
    tfc.LayerPruning(num_blocks=1, epochs=0),
    tfc.SparsityTraining(epochs=1),
    tfc.Clustering(epochs=0),
    tfc.QuantizationAware(epochs=0),
)
MEASURES = (
    tfc.channel_sensitivity,
    tfc.quantization_errors,
    tfc.quantization_sensitivity,
)


def keras_3_model():
    image = keras_3.Input((8, 8, 1))
    x = keras_3.layers.Conv2D(8, 3, name="conv")(image)
    x = keras_3.layers.GlobalAveragePooling2D()(x)
    return keras_3.Model(image, keras_3.layers.Dense(3)(x))


@pytest.mark.parametrize("given", ["model.keras", keras_3_model()], ids=["path", "3"])
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
def test_by_a_stage(tmp_path, stage, given):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    with pytest.raises(tfc.TfcompressError, match="load_model first"):
        stage(given, run)


@pytest.mark.parametrize("given", ["model.keras", keras_3_model()], ids=["path", "3"])
@pytest.mark.parametrize("measure", MEASURES, ids=lambda f: f.__name__)
def test_by_a_measure(measure, given):
    with pytest.raises(tfc.TfcompressError, match="load_model first"):
        measure(given, tiny.data())


@pytest.mark.parametrize("given", ["model.keras", keras_3_model()], ids=["path", "3"])
def test_by_the_export(tmp_path, given):
    with pytest.raises(tfc.TfcompressError, match="load_model first"):
        tfc.export_tflite(given, tmp_path / "model.tflite", tiny.data())
