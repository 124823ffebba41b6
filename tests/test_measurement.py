"""What measuring adds to the report; test_pipeline has it measure a whole run."""

import tiny

import tfcompress as tfc
from tfcompress.export import Export
from tfcompress.measurement import skipped_layers


def test_layers_that_a_technique_leaves_alone():
    model = tiny.model()
    stages = (tfc.Training(), tfc.Pruning(final_sparsity=0.5))
    assert skipped_layers(model, stages, Export()) == [
        {
            "technique": "pruning",
            "layer": "block_depthwise",
            "why": "only with depthwise=True",
        }
    ]
    stages = (tfc.Pruning(final_sparsity=0.5, depthwise=True),)
    assert skipped_layers(model, stages, Export()) == []


def test_techniques_that_are_not_used_skip_nothing():
    assert skipped_layers(tiny.model(), (), Export(quantization="float32")) == []
