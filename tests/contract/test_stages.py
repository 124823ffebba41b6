"""What every stage promises, whatever its technique."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tiny

import tfcompress as tfc
from tfcompress import stages
from tfcompress.recipe import Recipe

STAGES = [
    tfc.Training(epochs=1, batch_size=12),
    tfc.Training(epochs=2, batch_size=12, freeze=("stem_*",), thaw_after=1),
    tfc.SparsityTraining(epochs=1, batch_size=12),
    tfc.SparsityTraining(epochs=2, batch_size=12, penalty="group"),
    tfc.ChannelPruning(target={"params": 0.7}, epochs=0, round_to=1, min_channels=2),
    tfc.ChannelPruning(
        target={"macs": 0.6},
        importance="taylor",
        epochs=1,
        num_iterations=2,
        batch_size=12,
        round_to=2,
        min_channels=2,
    ),
    tfc.LayerPruning(num_blocks=1, epochs=1, batch_size=12),
    tfc.LayerPruning(target={"macs": 0.9}, importance="feature_change", epochs=0),
    tfc.Pruning(epochs=0),
    tfc.Pruning(epochs=2, batch_size=12),
    tfc.Pruning(epochs=1, schedule="constant", sparsity_m_by_n=(1, 4), batch_size=12),
    tfc.Clustering(num_clusters=4, epochs=0, initialization="random"),
    tfc.Clustering(num_clusters=6, epochs=1, batch_size=24),
    tfc.QuantizationAware(epochs=0),
    tfc.QuantizationAware(epochs=1, batch_size=12),
]
NAMES = [f"{type(stage).__name__}-{stage.epochs}" for stage in STAGES]


def test_list_is_complete():
    public = {
        value
        for value in vars(stages).values()
        if isinstance(value, type) and value is not stages.Stage
    }
    assert public == {type(stage) for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
def test_stage_keeps_its_input_its_interface_and_its_seed(stage, tmp_path):
    model = tiny.model()
    before = [weight.copy() for weight in model.get_weights()]
    results = []
    for folder in ("a", "b"):
        run = tfc.Run(data=tiny.data(), workdir=tmp_path / folder, seed=5)
        results.append(stage(model, run.for_stage("00_stage")))
        json.dumps(run.facts)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not any("Prune" in type(layer).__name__ for layer in model.layers)
    for result in results:
        assert result is not model
        assert result.input_shape == model.input_shape
        assert result.output_shape == model.output_shape
        kinds = {type(layer).__name__ for layer in result.layers}
        assert not kinds & {"PruneLowMagnitude", "ClusterWeights"}
        quantized = any("quant" in layer.name for layer in result.layers)
        assert quantized == isinstance(stage, tfc.QuantizationAware)
    for one, two in zip(*(r.get_weights() for r in results), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
def test_stage_survives_json_in_a_recipe(stage):
    data = tfc.Data("fashion_mnist_small")
    recipe = Recipe(data=data, model="own.keras", stages=(stage,))
    text = json.dumps(recipe.to_dict())
    assert Recipe.from_dict(json.loads(text)).stages == (stage,)


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
def test_stage_result_survives_a_file(stage, tmp_path):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    result = stage(tiny.model(), run)
    from tfcompress.loading import load_model, save_model

    save_model(result, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    image = tf.constant(tiny.arrays()[0][:4] / 255, tf.float32)
    np.testing.assert_array_equal(
        result(image, training=False), loaded(image, training=False)
    )
